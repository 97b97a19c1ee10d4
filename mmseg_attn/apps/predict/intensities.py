"""Convert the values of a file to the range that the model was trained on."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ...io import Window, dicom_series, is_dicom, to_bytes
from ...io.ome_zarr import ZarrSlices
from .lazy import WindowedSlices
from .sources import FileContent, read_content


class IntensityMapping(NamedTuple):
    """The window that became 0 to 255, and the fraction of the pixels outside it."""

    window: Window
    outside: float


class Intensities:
    """Convert values of more than 8 bits to 8 bits; 8-bit values are not changed.

    Args:
        files: All files of the run. The DICOM files of a series share one window.
        window: The values that become 0 and 255.
        choose: A function that chooses the window from all values of a file or series, or returns
            ``None``.
        keep: Whether the model takes values as they are stored.
    """

    def __init__(
        self,
        files: Sequence[Path],
        *,
        window: Window | None = None,
        choose: Callable[[np.ndarray], Window | None] | None = None,
        keep: bool = False,
    ) -> None:
        self.files = files
        self.window = window
        self.choose = choose
        self.keep = keep
        self._series: dict[str, list[Path]] | None = None
        self._windows: dict[str, Window | None] = {}

    def apply(
        self, path: Path, content: FileContent
    ) -> tuple[Sequence[np.ndarray], IntensityMapping | None]:
        """Convert the slices of a file.

        Returns:
            The slices, and the mapping; ``None`` if the slices were not changed. Those of a volume
            that is read by slices are converted when they are read, and pixels outside the window
            are counted then.

        Raises:
            DataError: If there is no window for values of more than 8 bits.
        """
        slices = content.slices
        if isinstance(slices, ZarrSlices):
            return self._apply_by_slices(path, slices)
        deep = _deep(slices)
        if self.keep or not deep:
            return slices, None
        window = self.window or (self._choose(path, content) if self.choose else None)
        if window is None:
            low, high = min(image.min() for image in deep), max(image.max() for image in deep)
            raise DataError(
                f'{path} contains {deep[0].dtype} values from {low:g} to {high:g}, but the model '
                'was trained on 8 bits: set the values that become 0 and 255 with '
                '--intensity LOW HIGH'
            )
        outside = sum(((image < window[0]) | (image > window[1])).sum() for image in deep)
        mapping = IntensityMapping(window, float(outside / sum(image.size for image in deep)))
        return [
            image if image.dtype == np.uint8 else to_bytes(image, window) for image in slices
        ], mapping

    def _apply_by_slices(
        self, path: Path, slices: ZarrSlices
    ) -> tuple[Sequence[np.ndarray], IntensityMapping | None]:
        """Convert a volume whose values are not in memory; the window is that of a sample."""
        if self.keep or slices.dtype in (np.uint8, bool):
            return slices, None
        window = self.window or (self.choose(slices.sample()) if self.choose else None)
        if window is None:
            raise DataError(
                f'{path} contains {slices.dtype} values, but the model was trained on 8 bits: set '
                'the values that become 0 and 255 with --intensity LOW HIGH'
            )
        return WindowedSlices(slices, window), IntensityMapping(window, 0.0)

    def _choose(self, path: Path, content: FileContent) -> Window | None:
        series = dicom_series(path) if is_dicom(path) else ''
        if not series:
            return self.choose(_values(content.slices, content.nodata))
        if series not in self._windows:
            slices = []
            for file in self._files_of(series):
                try:
                    slices += read_content(file).slices
                except (DataError, OSError):  # reported when the file is predicted
                    continue
            self._windows[series] = self.choose(_values(slices))
        return self._windows[series]

    def _files_of(self, series: str) -> list[Path]:
        if self._series is None:
            self._series = defaultdict(list)
            for file in self.files:
                try:
                    self._series[dicom_series(file) if is_dicom(file) else ''].append(file)
                except (DataError, OSError):
                    continue
        return self._series[series]


def _deep(slices: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the slices of more than 8 bits, which are converted."""
    return [image for image in slices if image.dtype != np.uint8]


def _values(slices: Sequence[np.ndarray], nodata: float | None = None) -> np.ndarray:
    """Return the values of all slices that are converted, without those that mean no data."""
    values = np.concatenate([image.ravel() for image in _deep(slices) or slices])
    known = values[values != nodata] if nodata is not None else values
    return known if known.size else values
