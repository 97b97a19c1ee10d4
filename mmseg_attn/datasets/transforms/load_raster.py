"""Load rasters with many bands, such as those of satellites."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ...errors import DataError
from ...io.raster import BandRule, Numbers, Raster, gdal

TRIES = 10  # draws of a crop with data


@TRANSFORMS.register_module()
class LoadRaster(LoadImageFromFile):
    """Load bands of a GeoTIFF, COG, JPEG 2000, VRT or another raster that GDAL reads.

    It takes the place of ``LoadImageFromFile``. The values are those of the file, times ``scale``
    plus ``offset``. Channels have the order of ``bands``. A pixel without data (the nodata value
    of the file, its mask or transparency, or a number that is not finite) gets the value ``fill``.
    ``LoadRasterAnnotations`` ignores the pixels that have no data in any of the bands.

    Required key: ``img_path``. Added keys: ``img`` ``(H, W, C)``, uint8 for bytes without scale and
    otherwise float32; ``img_shape`` and ``ori_shape``; ``valid`` ``(H, W)``, which pixels have
    data; ``raster_grid`` and ``raster_window``, for ``LoadRasterAnnotations``.

    Args:
        bands: Numbers from 1 on, or names, which are the descriptions of bands; ``None`` loads all
            bands but transparency.
        scale: The factor of all bands or of each; ``'file'`` takes scales and offsets from the
            file.
        offset: What is added after the multiplication, to all bands or to each.
        nodata: The value that means no data in files that do not name one.
        fill: The value of pixels without data, after scale and offset.
        crop_size: Height and width of a random crop, for training; a number is both. Only the crop
            is read. It is drawn again, at most ten times, if none of its pixels has data.

    Raises:
        DataError: If ``crop_size`` is not positive integers, ``bands`` is no list, or scale and
            offset exclude each other.
    """

    def __init__(
        self,
        *,
        bands: Sequence[int | str] | None = None,
        scale: Numbers | Literal['file'] = None,
        offset: Numbers = None,
        nodata: float | None = None,
        fill: float = 0.0,
        crop_size: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(color_type='unchanged', imdecode_backend='tifffile')  # values as stored
        if isinstance(scale, str) and (scale != 'file' or offset is not None):
            raise DataError(
                f"scale of LoadRaster is {scale!r} with offset={offset}: set numbers, or 'file' "
                'without offset'
            )
        if isinstance(bands, int | str):
            raise DataError(
                f'bands of LoadRaster is {bands!r}: set a list of bands, such as [{bands!r}]'
            )
        if isinstance(crop_size, int):
            crop_size = (crop_size, crop_size)
        if crop_size is not None and (
            len(crop_size) != 2 or not all(isinstance(n, int) and n > 0 for n in crop_size)
        ):
            raise DataError(
                f'crop_size of LoadRaster is {crop_size}: set height and width, such as (512, 512)'
            )
        self.rule = BandRule(bands, scale, offset, nodata, fill)
        self.crop_size = crop_size

    def transform(self, results: dict) -> dict:
        """Load an image, or a random crop of it.

        Args:
            results: ``img_path`` is the file.

        Returns:
            The same dictionary.

        Raises:
            DataError: If the file cannot be read, or does not have the bands.
        """
        with gdal(), Raster(results['img_path'], self.rule) as raster:
            image, valid, window = self._read(raster)
            results['raster_grid'] = raster.grid
        results.update(img=image, valid=valid, raster_window=window)
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _read(self, raster: Raster) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
        for _ in range(TRIES if self.crop_size else 1):
            window = raster.whole
            if self.crop_size:
                window = self._draw(raster.grid.height, raster.grid.width)
            image, valid = raster.read(*window)
            if valid.any():
                break
        return image, valid, window

    @cache_randomness  # without a docstring: Sphinx cannot show what it decorates
    def _draw(self, *sides: int) -> tuple[slice, slice]:
        assert self.crop_size is not None
        rows, columns = (
            slice(start, min(start + size, side))
            for side, size in zip(sides, self.crop_size, strict=True)
            for start in (np.random.randint(max(side - size, 0) + 1),)
        )
        return rows, columns

    def __repr__(self) -> str:
        settings: dict[str, Any] = dict(vars(self.rule), crop_size=self.crop_size)
        listed = ', '.join(f'{name}={value!r}' for name, value in settings.items())
        return f'{type(self).__name__}({listed})'
