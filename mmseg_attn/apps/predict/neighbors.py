"""Give slices their neighbors in the stack as further channels, for models of 2.5D."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...datasets.transforms.load_neighbors import check_neighbor
from ...errors import DataError, UnsupportedError
from ...io import is_dicom, is_nifti
from ...io.dicom import dicom_header
from ...io.numbered import LAST_NUMBER, adjacent_files
from ...io.ome_zarr import is_zarr
from .intensities import Intensities
from .loaded import Loaded, load_file
from .predictor import Predictor
from .sources import StackRules

ALONE = 'no neighbors were found, so all channels are the same slice'
SAME_POSITION = 1e-3  # millimeters


class NeighborChannels:
    """Stack each slice with the slices below and above it.

    Neighbors of a slice of a stack lie in the same file: along Z or, without Z, along its slices.
    Those of a DICOM file belong to the same series, in the order of their positions. Those of
    another file with one slice are files beside it whose names differ in their number, as
    ``LoadNeighbors`` finds them, or by the last number. At the ends, the last slice is repeated.

    Args:
        count: Number of slices below, and of slices above; 0 leaves the slices alone.
        load: Loads a file.
        files: All files of the run, among which DICOM series are found.
        pattern: As in ``LoadNeighbors``.
        arrange: Converts stacked slices (H, W, C) to the channels of the model.
    """

    def __init__(
        self,
        count: int,
        load: Callable[[Path], Loaded],
        *,
        files: Sequence[Path] = (),
        pattern: str = LAST_NUMBER,
        arrange: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.count = count
        self.load = load
        self.files = files
        self.pattern = pattern
        self.arrange = arrange
        self._recent: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._series: dict[str, list[tuple[np.ndarray, Path]]] | None = None

    def images(self, path: Path, loaded: Loaded) -> Iterator[np.ndarray]:
        """Yield the input of the model for each slice of a file, as :meth:`image` returns it."""
        for k in range(len(loaded.images)):
            yield self.image(path, loaded, k)

    def image(self, path: Path, loaded: Loaded, k: int) -> np.ndarray:
        """Return the input of the model for a slice of a file.

        Args:
            path: The file.
            loaded: Its content. A note is added if a single slice has no neighbors.
            k: The number of the slice.

        Returns:
            (H, W) or (H, W, C) without neighbors, otherwise (H, W, (2 * count + 1) * C), from below
            to above.

        Raises:
            DataError: If a neighbor cannot be read or does not fit.
            OSError: If a file cannot be read.
        """
        slices = loaded.images
        if not self.count:
            return slices[k]
        if len(slices) > 1 or is_nifti(path) or is_zarr(path):
            files = []
            images = [slices[j] for j in self._adjacent(k, loaded)]
            if len({(image.shape, image.dtype) for image in images}) > 1:
                raise UnsupportedError(
                    f'{path} has slices of different sizes or types, which have no neighbors: save '
                    'slices of one size, or use a model of single slices'
                )
        else:
            files, image = self._adjacent_files(path), slices[k]
            images = [image if file == path else self._read(file, path, image) for file in files]
        if len(slices) == 1 and set(files) <= {path}:
            loaded.content.notes.append(ALONE)
        stacked = np.dstack(images)
        return self.arrange(stacked) if self.arrange else stacked

    def _adjacent(self, k: int, loaded: Loaded) -> list[int]:
        axes, last = loaded.content.axes, len(loaded.images) - 1
        offsets = range(-self.count, self.count + 1)
        if axes is not None:
            return [axes.adjacent(k, offset) for offset in offsets]
        return [min(max(k + offset, 0), last) for offset in offsets]

    def _adjacent_files(self, path: Path) -> list[Path]:
        if is_dicom(path):
            series = self._series_of(path)
            if path in series:
                at, last = series.index(path), len(series) - 1
                offsets = range(-self.count, self.count + 1)
                return [series[min(max(at + offset, 0), last)] for offset in offsets]
        patterns = dict.fromkeys((self.pattern, LAST_NUMBER))  # files may be named otherwise
        files = adjacent_files(str(path), self.count, exists=os.path.exists, patterns=[*patterns])
        return [*map(Path, files)]

    def _read(self, file: Path, path: Path, image: np.ndarray) -> np.ndarray:
        if file not in self._recent:
            slices = self.load(file).images
            if len(slices) > 1:
                raise UnsupportedError(
                    f'{file} has {len(slices)} slices, but its neighbor {path} has one: rename one '
                    'of them, or set pattern of LoadNeighbors'
                )
            self._recent[file] = slices[0]
        self._recent.move_to_end(file)
        while len(self._recent) > 2 * self.count + 1:
            self._recent.popitem(last=False)
        check_neighbor(file, self._recent[file], path, image)
        return self._recent[file]

    def _series_of(self, path: Path) -> list[Path]:
        """Return the DICOM files of the series of a file, by increasing position.

        Raises:
            UnsupportedError: If two of them have the same position.
        """
        if self._series is None:
            self._series = {}
            for file in self.files:
                try:
                    header = dicom_header(file) if is_dicom(file) else None
                except (DataError, OSError):  # reported when the file is predicted
                    continue
                if header and header.series and header.affine is not None:
                    self._series.setdefault(header.series, []).append((header.affine, file))
        members = self._series.get(dicom_header(path).series, [])
        if not members:
            return []
        normal = np.cross(*members[0][0][:3, :2].T)
        normal /= np.linalg.norm(normal)
        places = sorted((float(normal @ affine[:3, 3]), file) for affine, file in members)
        for (low, below), (high, above) in pairwise(places):
            if high - low < SAME_POSITION:
                raise UnsupportedError(
                    f'{below} and {above} lie at the same position of a series, so that slices '
                    'have no single neighbor: predict the files of each time or echo alone'
                )
        return [file for _, file in places]


def neighbor_channels(
    predictor: Predictor,
    intensities: Intensities,
    files: Sequence[Path],
    *,
    rules: StackRules | None = None,
    neighbors: int | None = None,
) -> NeighborChannels:
    """Return what loads files for a model, with the neighbors of each slice if it takes them.

    Args:
        predictor: The model.
        intensities: The conversion of values of more than 8 bits.
        files: All files of the run.
        rules: How to read TIFF and OME-Zarr files.
        neighbors: Number of neighbors on each side; ``None`` for those of ``LoadNeighbors`` in the
            config. If the config loads color images with three channels in place of
            ``LoadNeighbors``, the slice below becomes red, the slice green and the one above blue.
    """
    loader, arrange = predictor.loader, None
    count = loader.neighbors if neighbors is None else neighbors
    if (
        loader.color_type == 'color'
        and not loader.neighbors
        and (count, predictor.channels) == (1, 3)
    ):
        loader, arrange = loader.as_gray(), loader.prepare
    known = predictor.channels and not arrange
    in_channels = predictor.channels // (2 * count + 1) if known else None

    def load(path: Path) -> Loaded:
        return load_file(path, loader, intensities, in_channels=in_channels, rules=rules)

    return NeighborChannels(count, load, files=files, pattern=loader.pattern, arrange=arrange)
