"""Load label rasters of the images that ``LoadRaster`` loads."""

from typing import Literal

import numpy as np
from mmseg.registry import TRANSFORMS

from ...errors import DataError
from ...io.raster import BandRule, Raster, gdal
from ..rules import IGNORE, is_stray, list_values
from .load_strict_annotations import LoadStrictAnnotations


@TRANSFORMS.register_module()
class LoadRasterAnnotations(LoadStrictAnnotations):
    """Load labels from a raster or a mask with one band, for the window that was loaded.

    Labels are the values of the band; a color table does not change them. Pixels without data are
    ignored: those of the label raster and, after ``LoadRaster``, those of the image in all its
    bands. The label raster must have the pixels of the image, and the same coordinates if both have
    some. Without ``LoadRaster``, all labels are loaded, as tools that count labels do.

    Required key: ``seg_map_path``; without it, as in inference, the transform does nothing. Added
    keys: ``gt_seg_map`` and its name in ``seg_fields``.

    Args:
        num_classes: As for ``LoadStrictAnnotations``.
        stray: As for ``LoadStrictAnnotations``.
        ignored_as: As for ``LoadStrictAnnotations``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        stray: Literal['refuse', 'ignore'] = 'refuse',
        ignored_as: int | None = None,
    ) -> None:
        super().__init__(num_classes=num_classes, stray=stray, palette=True, ignored_as=ignored_as)

    def _load_seg_map(self, results: dict) -> None:
        path = results.get('seg_map_path')
        if path is None:
            return
        labels = self._mapping(results)[self._read(path, results)]
        if 'valid' in results:
            labels[~results['valid']] = IGNORE if self.ignored_as is None else self.ignored_as
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')

    def _read(self, path: str, results: dict) -> np.ndarray:
        """Read the labels of the window, ``(H, W)``, uint8."""
        with gdal(), Raster(path, BandRule(fill=IGNORE)) as raster:
            if len(raster.numbers) > 1:
                raise DataError(
                    f'{path} has {len(raster.numbers)} bands: use a mask with one band of labels'
                )
            own, image = raster.grid, results.get('raster_grid')
            if image is not None and not own.agrees(image):
                raise DataError(
                    f'{path} ({own.width}x{own.height}, {own.crs}) does not have the pixels of '
                    f'{results["img_path"]} ({image.width}x{image.height}, {image.crs}): make it '
                    'with the grid of the image, for example with gdal_rasterize or gdalwarp'
                )
            pixels, _ = raster.read(*results.get('raster_window', raster.whole))
        pixels = pixels[..., 0]
        stray = is_stray(pixels, self.num_classes)
        if stray.any() and self.stray == 'refuse':
            values, counts = np.unique(pixels[stray], return_counts=True)
            pixels_of = dict(zip(values.tolist(), counts.tolist(), strict=True))
            raise DataError(
                f'{path} contains values that are not labels: {list_values(pixels_of)}; the labels '
                f'are 0 to {self.num_classes - 1} and {IGNORE}: correct the mask, or set '
                "stray='ignore' to ignore these pixels"
            )
        return np.where(stray, IGNORE, pixels).astype(np.uint8)
