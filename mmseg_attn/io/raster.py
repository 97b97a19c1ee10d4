"""Read rasters with coordinates, such as GeoTIFF, COG, JPEG 2000 and VRT, window by window.

The extra ``geo`` installs rasterio, whose wheels contain GDAL.
"""

import contextlib
import importlib
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import DamagedError, DataError, UnsupportedError, UsageError
from .libraries import numpy_kept

SUFFIXES = ('.tif', '.tiff', '.jp2', '.j2k', '.vrt', '.img')  # what a folder is searched for
CACHE = 128 * 2**20  # bytes of decoded blocks; GDAL's default is a twentieth of the memory
MERCATOR = 'PROJECTION["Mercator'  # whose scale grows from the equator to the poles
Numbers = float | Sequence[float] | None


def rasterio_library(module: str = 'rasterio') -> Any:
    """Import rasterio or one of its modules.

    Raises:
        UsageError: If rasterio is not installed or does not work with the installed NumPy.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # a version for another NumPy fails in any way
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        raise UsageError(
            f'rasters with coordinates need rasterio (the extra mmseg_attn[geo]), which cannot be '
            f'imported ({reason}): run pip install rasterio {numpy_kept()}'
        ) from error


@contextlib.contextmanager
def gdal() -> Iterator[Any]:
    """Yield rasterio, with a small cache and without its warnings of rasters without coordinates.

    The cache has 128 MiB, unless the environment variable ``GDAL_CACHEMAX`` is set. PNG files are
    read row by row: GDAL's faster function for whole images ignores that a file is cut off.
    """
    rasterio = rasterio_library()
    options: dict[str, Any] = dict(GDAL_PNG_WHOLE_IMAGE_OPTIM='NO')
    if 'GDAL_CACHEMAX' not in os.environ:
        options['GDAL_CACHEMAX'] = CACHE
    with rasterio.Env(**options), warnings.catch_warnings():
        warnings.simplefilter('ignore', rasterio.errors.NotGeoreferencedWarning)
        yield rasterio


def gdal_reason(error: BaseException, path: str | Path) -> str:
    """Return the message of GDAL, which rasterio attaches as the cause, without the file."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = ' '.join(str(error).split())[:300]
    for name in (str(path), Path(path).name):
        text = text.removeprefix(name).lstrip(':, ')
    return text


class Grid(NamedTuple):
    """The pixels of a raster and their coordinates.

    Attributes:
        height: Number of rows.
        width: Number of columns.
        crs: The coordinate reference system; ``None`` without one.
        transform: The affine map of (column, row) to coordinates.
    """

    height: int
    width: int
    crs: Any
    transform: Any

    def coordinates(self, column: Any, row: Any) -> tuple[Any, Any]:
        """Convert columns and rows, numbers or arrays, to coordinates; 0, 0 is the upper corner."""
        a, b, c, d, e, f = self.transform[:6]
        return a * column + b * row + c, d * column + e * row + f

    def agrees(self, other: 'Grid') -> bool:
        """Tell whether another raster has the same pixels, as far as both have coordinates."""
        if (self.height, self.width) != (other.height, other.width):
            return False
        if self.crs is None or other.crs is None:
            return True
        size = max(abs(value) for value in self.transform[:6] if value)
        pixel = math.sqrt(abs(self.transform.determinant))
        corners = ((0, 0), (self.width, 0), (0, self.height), (self.width, self.height))
        return self.crs == other.crs and all(
            math.dist(self.coordinates(*corner), other.coordinates(*corner))
            <= pixel / 100 + 1e-12 * size
            for corner in corners
        )


@dataclass(frozen=True)
class BandRule:
    """Choose the bands of rasters and the scale of their values.

    Attributes:
        bands: Numbers from 1 on, or names, which are the descriptions of bands; ``None`` takes all
            bands but transparency.
        scale: The factor of all bands or of each; ``'file'`` takes scales and offsets from the
            file.
        offset: What is added after the multiplication, to all bands or to each.
        nodata: The value that means no data in files that do not name one.
        fill: The value that a pixel without data gets, after scale and offset.
    """

    bands: Sequence[int | str] | None = None
    scale: Numbers | Literal['file'] = None
    offset: Numbers = None
    nodata: float | None = None
    fill: float = 0.0


class Raster:
    """An open raster, whose windows are read one by one.

    Use it in a ``with`` statement, inside :func:`gdal`.

    Args:
        path: The file.
        rule: The bands and their scale.

    Attributes:
        grid: The pixels and their coordinates.
        gcps: The ground control points, and their coordinate reference system.
        numbers: The numbers of the bands that are read.

    Raises:
        DataError: If the file cannot be opened, or does not have the bands.
    """

    def __init__(self, path: str | Path, rule: BandRule | None = None) -> None:
        self.path = path
        self.rule = rule or BandRule()
        rasterio = rasterio_library()
        self._window = rasterio_library('rasterio.windows').Window
        errors = rasterio.errors
        self._error = errors.RasterioError, errors.RasterioIOError  # unrelated before rasterio 1.4
        if not Path(path).exists():
            raise FileNotFoundError(2, 'No such file or directory', str(path))
        try:
            self.dataset = rasterio.open(path)
        except self._error as error:
            raise DamagedError(
                f'{path} cannot be opened as a raster ({gdal_reason(error, path)}): get it again, '
                'or convert it to GeoTIFF'
            ) from error
        try:
            self.grid = Grid(
                self.dataset.height, self.dataset.width, self.dataset.crs, self.dataset.transform
            )
            self.gcps = self.dataset.gcps
            self.numbers = self._find_bands()
            self._scales = self._find_scales()
            self._mixed = len({self.dataset.dtypes[number - 1] for number in self.numbers}) > 1
            self._opaque = self._find_opaque()
        except BaseException:
            self.dataset.close()
            raise

    def __enter__(self) -> 'Raster':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.dataset.close()

    @property
    def names(self) -> list[str]:
        """Return the descriptions of the bands that are read, or else their numbers."""
        return [self.dataset.descriptions[number - 1] or str(number) for number in self.numbers]

    @property
    def pixel_area(self) -> float | None:
        """Return the area of a pixel in square meters; ``None`` if it is unknown or varies much."""
        crs = self.grid.crs
        if crs is None or not crs.is_projected or MERCATOR in crs.to_wkt():
            return None
        return abs(self.grid.transform.determinant) * crs.linear_units_factor[1] ** 2

    @property
    def eight_bit(self) -> bool:
        """Tell whether all bands that are read are stored in 8 bits without sign."""
        return {self.dataset.dtypes[number - 1] for number in self.numbers} == {'uint8'}

    @property
    def whole(self) -> tuple[slice, slice]:
        """Return the rows and columns of the whole raster."""
        return slice(0, self.grid.height), slice(0, self.grid.width)

    def read(self, rows: slice, columns: slice, *, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Read a window.

        Args:
            rows: Its rows.
            columns: Its columns.
            step: One of so many rows and columns is read.

        Returns:
            The image ``(H, W, C)``: uint8 for bytes without scale, otherwise float32. And which
            pixels have data in one band at least, ``(H, W)``. A band without data has the value
            ``fill``, also where it is not a finite number.

        Raises:
            DamagedError: If the window cannot be decoded.
        """
        values, valid = self.read_bands(rows, columns, step=step)
        return np.ascontiguousarray(np.moveaxis(values, 0, 2)), valid.any(axis=0)

    def read_bands(
        self, rows: slice, columns: slice, *, step: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window as :meth:`read` does, band by band.

        Returns:
            The values, and which of them are data, both ``(C, H, W)``.
        """
        size = rows.stop - rows.start, columns.stop - columns.start
        window = self._window(columns.start, rows.start, size[1], size[0])
        shape = (len(self.numbers), *(math.ceil(side / step) for side in size))
        try:
            if self._mixed:
                read = partial(self.dataset.read, window=window, out_shape=shape[1:])
                values = np.stack([read(number) for number in self.numbers])
            else:
                values = self.dataset.read(self.numbers, window=window, out_shape=shape)
            valid = self.dataset.read_masks(self.numbers, window=window, out_shape=shape) > 0
        except self._error as error:
            raise DamagedError(
                f'{self.path} cannot be read in rows {rows.start} to {rows.stop - 1} and columns '
                f'{columns.start} to {columns.stop - 1} ({gdal_reason(error, self.path)}): get it '
                'again'
            ) from error
        valid |= self._opaque
        if self.rule.nodata is not None and self.dataset.nodata is None:
            valid &= values != self.rule.nodata
        if values.dtype.kind == 'f':
            valid &= np.isfinite(values)
        byte = values.dtype == np.uint8 and self._scales is None and self.rule.fill in range(256)
        if not byte:
            values = values.astype(np.float32)
        if self._scales is not None:
            scale, offset = self._scales
            with np.errstate(over='ignore', invalid='ignore'):  # of pixels without data
                values = values * scale + offset
        values[~valid] = self.rule.fill
        return values, valid

    def _find_bands(self) -> list[int]:
        dataset = self.dataset
        if not dataset.count:
            raise UnsupportedError(
                f'{self.path} contains no bands of its own but {len(dataset.subdatasets)} rasters: '
                'convert the one that you need to GeoTIFF'
            )
        pages = self._pages()
        if any(self._is_like(page) for page in pages[1:]):  # others are thumbnails
            raise UnsupportedError(
                f'{self.path} has {len(pages)} pages, and a raster has one: save each as a file'
            )
        chosen: Sequence[int | str] | None = self.rule.bands
        if chosen is None:
            alpha = [color.name == 'alpha' for color in dataset.colorinterp]
            chosen = [i for i, see_through in enumerate(alpha, 1) if not see_through]
        names = [description or '' for description in dataset.descriptions]
        numbers = [
            names.index(band) + 1 if isinstance(band, str) and band in names else band
            for band in chosen
        ]
        for number in numbers:
            if isinstance(number, str) or not 1 <= number <= dataset.count:
                named = ', '.join(filter(None, names))
                raise DataError(
                    f'{self.path} has no band {number!r}: its bands are 1 to {dataset.count}'
                    f'{f", and their names are {named}" if named else ", without names"}; correct '
                    'bands of LoadRaster'
                )
        kinds = {str(dataset.dtypes[number - 1]) for number in numbers}
        real = ('complex' not in kind and np.dtype(kind).kind in 'uif' for kind in kinds)
        if not numbers or not all(real):
            raise UnsupportedError(
                f'{self.path} has no bands of real numbers ({", ".join(sorted(kinds))}): name '
                'others with bands of LoadRaster'
            )
        return numbers

    def _pages(self) -> list[str]:
        if self.dataset.driver != 'GTiff':
            return []
        try:
            pages = self.dataset.subdatasets
            _ = self.dataset.colorinterp  # raises the error of a page that GDAL has noted
        except Exception as error:  # rasterio has no type for all of them
            reason = gdal_reason(error, self.path)
            raise DamagedError(
                f'{self.path} has a page that cannot be read ({reason}): get it again'
            ) from error
        return pages

    def _is_like(self, page: str) -> bool:
        """Tell whether a page has the size of the first; not if it cannot be opened."""
        try:
            with rasterio_library().open(page) as dataset:
                return dataset.shape == self.dataset.shape
        except Exception:  # damaged, or in a codec that is missing
            return False

    def _find_opaque(self) -> np.ndarray:
        """Return for which bands ``(C, 1, 1)`` the alpha band does not tell where data is.

        GDAL takes a fourth band of bytes for alpha. It may be near infrared that was chosen.
        """
        colors, flags = self.dataset.colorinterp, self.dataset.mask_flag_enums
        chosen = any(colors[number - 1].name == 'alpha' for number in self.numbers)
        alpha = [any(flag.name == 'alpha' for flag in flags[number - 1]) for number in self.numbers]
        return (np.array(alpha) & chosen)[:, None, None]

    def _find_scales(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return scale and offset of the bands, ``(C, 1, 1)``; ``None`` to leave the values."""
        rule, count = self.rule, len(self.numbers)
        if rule.scale == 'file':
            pairs = [
                (self.dataset.scales[number - 1], self.dataset.offsets[number - 1])
                for number in self.numbers
            ]
            if all(pair == (1, 0) for pair in pairs):
                return None
            columns = list(zip(*pairs, strict=True))
        elif rule.scale is None and rule.offset is None:
            return None
        else:
            columns = [
                _for_each(1.0 if rule.scale is None else rule.scale, count, 'scale'),
                _for_each(rule.offset or 0.0, count, 'offset'),
            ]
        scale, offset = np.array(columns, dtype=np.float32)[..., None, None]
        return scale, offset


def windows(height: int, width: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of windows that cover a raster without overlap.

    Args:
        height: Number of rows.
        width: Number of columns.
        size: Largest number of rows and columns of a window.
    """
    for top in range(0, height, size):
        for left in range(0, width, size):
            yield slice(top, min(top + size, height)), slice(left, min(left + size, width))


def _for_each(value: Any, count: int, name: str) -> list[float]:
    values = [float(value)] * count if isinstance(value, int | float) else list(map(float, value))
    if len(values) != count or not all(map(math.isfinite, values)):
        raise DataError(
            f'{name} of LoadRaster is {value}, but {count} bands are read: set one number, or one '
            'for each band'
        )
    return values
