"""Write probabilities and uncertainty of a raster while its rows are predicted."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...io.raster import Raster
from ...io.raster_mask import RasterMask, raster_map
from ..predict.maps import CONFIDENT, MapResults

STEPS = 254  # 255 is the value of pixels without data


class RasterMaps:
    """Append rows to the maps of a raster.

    Args:
        files: The files of each map.
        results: The maps to write.
    """

    def __init__(self, files: Mapping[str, list[RasterMask]], results: MapResults) -> None:
        self.files = files
        self.largest = results.largest
        self.only = results.only
        self.pixels = self.unsure = 0
        self.entropy = 0.0

    def append(self, maps: Mapping[str, np.ndarray], valid: np.ndarray) -> None:
        """Append rows below those that were written.

        Args:
            maps: ``probabilities`` ``(classes, rows, W)`` and ``entropy`` ``(1, rows, W)``.
            valid: Which pixels have data.
        """
        self.pixels += int(valid.sum())
        self.entropy += float(maps['entropy'][0][valid].sum(dtype=np.float64))
        self.unsure += int((maps['probabilities'].max(axis=0)[valid] < CONFIDENT).sum())
        for kind, files in self.files.items():
            chosen = maps[kind][self.only] if kind == 'probabilities' else maps[kind]
            for file, values in zip(files, chosen, strict=True):
                file.append(np.rint(values * (STEPS / self.largest[kind])).clip(0, STEPS), valid)

    @property
    def row(self) -> tuple[str, ...]:
        """The row of the table of uncertainty, as for a slice."""
        if not self.pixels:
            return '', '', ''
        return f'{self.entropy / self.pixels:.6g}', '', f'{100 * self.unsure / self.pixels:.4f}'


@contextlib.contextmanager
def raster_maps(results: MapResults, path: Path, name: str, like: Raster) -> Iterator[RasterMaps]:
    """Write the maps of a raster, GeoTIFF files with its coordinates.

    Args:
        results: The maps to write.
        path: The raster, for the table.
        name: The name of its results.
        like: The raster.

    Yields:
        The maps, to which rows are appended from the top.

    Raises:
        OSError: If the disk is full or the folder is not writable.
    """
    with contextlib.ExitStack() as stack:
        files = {
            kind: [
                stack.enter_context(
                    raster_map(base / f'{name}.tif', like, step=largest / STEPS, text=text)
                )
                for base, text in results.places(kind)
            ]
            for kind, largest in results.largest.items()
        }
        maps = RasterMaps(files, results)
        yield maps
    results.append(path, [maps.row])
