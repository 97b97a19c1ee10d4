"""Write label maps and maps of values as GeoTIFF files with coordinates, in strips."""

import contextlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from .atomic import atomic_path, write_file
from .raster import Raster, gdal_reason, rasterio_library

TILE = 256  # pixels
COLORS = 256  # entries of a color table


class RasterMask:
    """Collect rows of a map, and write them in rows of complete tiles.

    Args:
        dataset: The file, opened for writing.
        nodata: The value of pixels without data.
    """

    def __init__(self, dataset: Any, nodata: int) -> None:
        self.dataset = dataset
        self.nodata = nodata
        self.checksum = 0
        self._window = rasterio_library('rasterio.windows').Window
        self._rows = np.empty((TILE, dataset.width), dtype=dataset.dtypes[0])
        self._top = self._filled = 0

    def append(self, values: np.ndarray, valid: np.ndarray) -> None:
        """Append rows below those that were written.

        Args:
            values: Labels or other values ``(rows, W)``.
            valid: Which pixels have data.
        """
        values = np.where(valid, values.astype(self._rows.dtype), self.nodata)
        while len(values):
            part = values[: TILE - self._filled]
            self._rows[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            values = values[len(part) :]
            if self._filled == TILE:
                self.flush()

    def flush(self) -> None:
        """Write the rows that are collected."""
        rows = self._rows[: self._filled]
        if len(rows):
            window = self._window(0, self._top, rows.shape[1], len(rows))
            self.dataset.write(rows, 1, window=window)
            self.checksum = zlib.crc32(np.ascontiguousarray(rows), self.checksum)
        self._top += len(rows)
        self._filled = 0


@contextlib.contextmanager
def raster_mask(
    path: Path, like: Raster, *, classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> Iterator[RasterMask]:
    """Write a label map with the coordinates of a raster.

    The file is a tiled GeoTIFF, compressed without loss. Pixels without data have the value 255, or
    65535 for more than 255 classes, which the file names as its nodata value. The names of the
    classes stand in the tags ``class_0``, ``class_1`` and so on of the band, and in an ``.aux.xml``
    file, in which GDAL and GIS programs look for them. The file appears when it is complete, and
    is read once to check that it is.

    Args:
        path: The file.
        like: The raster with the same pixels.
        classes: Names of the classes.
        palette: Colors of the classes, RGB.

    Yields:
        The file, to which rows are appended from the top.

    Raises:
        OSError: If the disk is full or the folder is not writable.
    """
    small = len(classes) < COLORS
    with _written(path, like, np.uint8 if small else np.uint16) as mask:
        if small:
            colors = {i: (*color, 255) for i, color in enumerate(palette)}
            mask.dataset.write_colormap(1, {**colors, mask.nodata: (0, 0, 0, 0)})
        mask.dataset.set_band_description(1, 'class')
        mask.dataset.update_tags(1, **{f'class_{i}': name for i, name in enumerate(classes)})
        yield mask
    write_file(path.with_name(f'{path.name}.aux.xml'), _category_names(classes))


@contextlib.contextmanager
def raster_map(path: Path, like: Raster, *, step: float, text: str) -> Iterator[RasterMask]:
    """Write a map of values from 0 to 254 with the coordinates of a raster; 255 is its nodata.

    Args:
        path: The file.
        like: The raster with the same pixels.
        step: The value of a stored 1, which is the scale of the band.
        text: What the values mean, the description of the band.

    Yields:
        The file, as :func:`raster_mask`.

    Raises:
        OSError: If the disk is full or the folder is not writable.
    """
    with _written(path, like, np.uint8) as values:
        values.dataset.scales = [step]
        values.dataset.set_band_description(1, text)
        yield values


@contextlib.contextmanager
def _written(path: Path, like: Raster, dtype: type[np.integer]) -> Iterator[RasterMask]:
    """Write a file of one band, whose nodata value is the largest of its type."""
    rasterio = rasterio_library()
    nodata = int(np.iinfo(dtype).max)
    gcps, gcps_crs = like.gcps
    places: dict[str, Any] = dict(crs=like.grid.crs, transform=like.grid.transform)
    if gcps:
        places = dict(crs=gcps_crs, gcps=gcps)
    elif like.grid.transform.is_identity:
        del places['transform']
    with atomic_path(path) as unfinished:
        with (
            _as_os_error(path),
            rasterio.open(
                unfinished,
                'w',
                driver='GTiff',
                height=like.grid.height,
                width=like.grid.width,
                count=1,
                dtype=dtype,
                nodata=nodata,
                tiled=True,
                blockxsize=TILE,
                blockysize=TILE,
                compress='deflate',
                BIGTIFF='IF_SAFER',
                **places,
            ) as dataset,
        ):
            mask = RasterMask(dataset, nodata)
            yield mask
            mask.flush()
        _check(unfinished, path, mask.checksum)


@contextlib.contextmanager
def _as_os_error(path: Path) -> Iterator[None]:
    """Name the file in errors of the disk; rasterio's own errors are ``OSError`` without one."""
    error_type = rasterio_library('rasterio.errors').RasterioIOError
    try:
        yield
    except error_type as error:
        reason = gdal_reason(error, path)
        raise OSError(
            f'{path.name} cannot be written ({reason}): free some space on the disk'
        ) from error


def _check(file: Path, path: Path, checksum: int) -> None:
    """Compare the file with what was written, as GDAL reports some errors of the disk nowhere."""
    rasterio = rasterio_library()
    found = 0
    with _as_os_error(path), rasterio.open(file) as dataset:
        for top in range(0, dataset.height, TILE):
            window = ((top, min(top + TILE, dataset.height)), (0, dataset.width))
            found = zlib.crc32(dataset.read(1, window=window), found)
    if found != checksum:
        raise OSError(f'{path} was not written completely: free some space on the disk')


def _category_names(classes: Sequence[str]) -> str:
    names = ''.join(f'      <Category>{escape(name)}</Category>\n' for name in classes)
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f'{names}    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n'
    )
