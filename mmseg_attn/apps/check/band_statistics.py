"""Compute mean and standard deviation of the bands of rasters, window by window.

The moments of two sets of pixels merge exactly (Chan, Golub and LeVeque, "Updating Formulae and a
Pairwise Algorithm for Computing Sample Variances", 1979): with the counts n, means m and sums of
squared deviations s,

    d = m2 - m1,  n = n1 + n2,  m = m1 + d n2 / n,  s = s1 + s2 + d² n1 n2 / n
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.nested_datasets import nested_datasets
from ...datasets.transforms import LoadRaster
from ...errors import DataError
from ...io.raster import BandRule, Raster, gdal, windows

SIZE = 1024  # rows and columns of a window
Source = tuple[Path, BandRule]


class Moments:
    """Count, mean, standard deviation and extremes of each band of the pixels so far.

    Args:
        names: Names of the bands.

    Attributes:
        count: Number of values of each band.
        mean: Their mean.
        low: Their smallest value.
        high: Their largest value.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.count = np.zeros(len(names), dtype=np.int64)
        self.mean, self._squares = np.zeros((2, len(names)))
        self.low, self.high = np.full(len(names), np.inf), np.full(len(names), -np.inf)

    @property
    def std(self) -> np.ndarray:
        """Return the standard deviation of each band."""
        return np.sqrt(self._squares / self.count)

    def add(self, band: int, values: np.ndarray) -> None:
        """Add values of a band."""
        if not values.size:
            return
        values = values.astype(np.float64)
        mean, count = values.mean(), self.count[band]
        total, difference = count + values.size, mean - self.mean[band]
        self._squares[band] += ((values - mean) ** 2).sum()
        self._squares[band] += difference**2 * count * values.size / total
        self.mean[band] += difference * values.size / total
        self.count[band] = total
        self.low[band] = min(self.low[band], values.min())
        self.high[band] = max(self.high[band], values.max())


def training_rasters(dataset: Any) -> list[Source]:
    """List the rasters of a dataset, with the bands and the scale of its pipeline.

    Args:
        dataset: The dataset, also in wrappers; a repeated dataset counts once.

    Raises:
        DataError: If a pipeline does not load rasters.
    """
    sources: list[Source] = []
    for leaf in nested_datasets(dataset):
        transforms = getattr(getattr(leaf, 'pipeline', None), 'transforms', None)
        if transforms is None or not hasattr(leaf, 'get_data_info'):
            continue
        loaders = [step for step in transforms if isinstance(step, LoadRaster)]
        if not loaders:
            raise DataError(
                f'the pipeline of {type(leaf).__name__} has no LoadRaster: name rasters or a '
                'folder instead of the config'
            )
        paths = [Path(leaf.get_data_info(i)['img_path']) for i in range(len(leaf))]
        sources += [(path, loaders[0].rule) for path in paths]
    return sources


def band_statistics(
    sources: Sequence[Source],
    *,
    watch: Callable[[Sequence[Source]], Iterable[Source]] = iter,
) -> Moments:
    """Compute the moments of all values that are data.

    Args:
        sources: Files, with their bands and scale.
        watch: A wrapper for the iterator over the files, for example to show progress.

    Raises:
        DataError: If a file cannot be read, the files have different numbers of bands, or a band
            has no data.
    """
    moments = None
    with gdal():
        for path, rule in watch(sources):
            with Raster(path, rule) as raster:
                if moments is None:
                    moments = Moments(raster.names)
                elif len(raster.numbers) != len(moments.names):
                    raise DataError(
                        f'{path} has {len(raster.numbers)} bands, but {sources[0][0]} has '
                        f'{len(moments.names)}: choose the same bands of all files'
                    )
                for rows, columns in windows(*raster.grid[:2], SIZE):
                    values, valid = raster.read_bands(rows, columns)
                    for band in range(len(values)):
                        moments.add(band, values[band][valid[band]])
    if moments is None:
        raise DataError('the inputs contain no rasters: name files, or folders with rasters')
    if not moments.count.all():
        name = moments.names[int(moments.count.argmin())]
        raise DataError(f'the band {name} has no data in any file: choose other bands or files')
    return moments
