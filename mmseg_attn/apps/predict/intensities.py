"""Give a file the gray values that the model was trained on, or refuse it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ...io import Window, dicom_series, is_dicom, to_bytes
from .sources import Source, read_source


class Mapping(NamedTuple):
    """The values that became 0 and 255, and the share of the pixels beyond them."""

    window: Window
    outside: float


class Intensities:
    """What happens to values of more than 8 bits; those of 8 bits stay as they are.

    Args:
        files: All files of the run: the DICOM files of one series have one window.
        window: The values that become 0 and 255.
        choose: Finds the window in all values of a file or series; ``None`` if it cannot.
        keep: Whether the model takes any values, as they are stored.
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

    def apply(self, path: Path, source: Source) -> tuple[list[np.ndarray], Mapping | None]:
        """Convert the slices of a file.

        Returns:
            The slices, and what was done to them, if anything.

        Raises:
            DataError: If nothing says what to do with values of more than 8 bits.
        """
        slices = source.slices
        if self.keep or all(each.dtype == np.uint8 for each in slices):
            return slices, None
        window = self.window or (self._chosen(path, source) if self.choose else None)
        if window is None:
            low, high = min(each.min() for each in slices), max(each.max() for each in slices)
            raise DataError(
                f'{path} holds {slices[0].dtype} values from {low:g} to {high:g}, but the model '
                'was trained on 8 bits: give the values that become 0 and 255 with '
                '--intensity LOW HIGH'
            )
        outside = sum(((each < window[0]) | (each > window[1])).sum() for each in slices)
        done = Mapping(window, float(outside / sum(each.size for each in slices)))
        return [to_bytes(each, window) for each in slices], done

    def _chosen(self, path: Path, source: Source) -> Window | None:
        series = dicom_series(path) if is_dicom(path) else ''
        if not series:
            return self.choose(_values(source.slices))
        if series not in self._windows:
            slices = []
            for file in self._files_of(series):
                try:
                    slices += read_source(file).slices
                except (DataError, OSError):  # reported when its turn comes
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


def _values(slices: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([each.ravel() for each in slices])
