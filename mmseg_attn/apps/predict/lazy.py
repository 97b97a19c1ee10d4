"""Compute the slices of a volume when they are needed, so that it is never loaded whole."""

from collections.abc import Callable, Sequence

import numpy as np

from ...io import Window, to_bytes


class LazySlices(Sequence):
    """Apply a function to each slice when it is read.

    Args:
        slices: The slices.
        function: The function.
    """

    def __init__(
        self, slices: Sequence[np.ndarray], function: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self.slices = slices
        self.function = function

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, k: int) -> np.ndarray:
        return self.function(self.slices[k])


class WindowedSlices(LazySlices):
    """Convert slices to 8 bits, and count the pixels outside the window.

    Args:
        slices: The slices.
        window: The values that become 0 and 255.
    """

    def __init__(self, slices: Sequence[np.ndarray], window: Window) -> None:
        super().__init__(slices, lambda image: to_bytes(image, window))
        self.window = window
        self._outside: dict[int, float] = {}

    @property
    def outside(self) -> float:
        """The fraction of the pixels outside the window, of the slices that were read."""
        return sum(self._outside.values()) / max(1, len(self._outside))

    def __getitem__(self, k: int) -> np.ndarray:
        image = self.slices[k]
        low, high = self.window
        self._outside[k] = float(((image < low) | (image > high)).mean())
        return self.function(image)
