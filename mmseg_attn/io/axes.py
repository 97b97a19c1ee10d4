"""Arrange the axes of stacks: which are the slices, and which the channels of a slice."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import UnsupportedError
from .spacing import Length, millimeters

LETTERS = 'TZCSYX'  # of --axes, as tifffile names them
CHANNELS = 'CS'


@dataclass
class StackAxes:
    """How the slices of a stack lie in its file.

    Attributes:
        names: The letters of the axes of the slices, the slowest first, such as ``'TZ'``.
        shape: The number of slices along each.
        kind: The format that keeps these axes: ``'imagej'``, ``'ome'`` or ``'zarr'``.
        lengths: The distances of pixels (X, Y) and slices (Z), and the time step (T), as far as
            they are known.
    """

    names: str
    shape: tuple[int, ...]
    kind: str
    lengths: Mapping[str, Length] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of slices."""
        return math.prod(self.shape)

    @property
    def pixel_area(self) -> float | None:
        """The area of a pixel in square millimeters; ``None`` if unknown."""
        return self._product('YX')

    @property
    def voxel_volume(self) -> float | None:
        """The volume of a voxel in cubic millimeters; ``None`` if unknown."""
        return self._product('ZYX')

    def adjacent(self, k: int, offset: int) -> int:
        """Return the number of a neighbor of a slice.

        Neighbors lie along Z or, without Z, along the last axis. Beyond an end, the slice at the
        end is its own neighbor.

        Args:
            k: The number of the slice.
            offset: How many slices further; negative for slices before it.
        """
        if not self.names:
            return k
        axis = self.names.index('Z') if 'Z' in self.names else len(self.names) - 1
        stride = math.prod(self.shape[axis + 1 :])
        place = k // stride % self.shape[axis]
        return k + (min(max(place + offset, 0), self.shape[axis] - 1) - place) * stride

    def _product(self, axes: str) -> float | None:
        sizes = [millimeters(*self.lengths.get(axis, (0, ''))[:2]) for axis in axes]
        return math.prod(sizes) if all(sizes) else None


def check_axes(axes: str, shape: tuple[int, ...], name: str | Path, *, stored: str) -> str:
    """Check the letters that a user gives to the axes of a file.

    Args:
        axes: The letters.
        shape: The shape of the array in the file.
        name: The file, for messages.
        stored: The letters by which the file or its reader calls these axes.

    Returns:
        The letters in upper case.

    Raises:
        UnsupportedError: If the letters cannot be those of this array.
    """
    axes = axes.upper()
    sides = 'x'.join(map(str, shape))
    subject = f'{name} has the shape {sides} ({stored}), but --axes is {axes}'
    if len(axes) != len(shape):
        raise UnsupportedError(
            f'{subject}: name {len(shape)} letters, one for each number, of {", ".join(LETTERS)}'
        )
    unknown = [letter for letter in axes if letter not in LETTERS]
    if unknown:
        raise UnsupportedError(
            f'{subject}, and {unknown[0]} is no axis: use T (time), Z (slices), C (channels), S '
            '(samples of a pixel), Y (rows) and X (columns)'
        )
    if len(set(axes)) != len(axes) or not {'Y', 'X'} <= set(axes) or set(CHANNELS) <= set(axes):
        raise UnsupportedError(
            f'{subject}: name each axis once, Y and X among them, and either C or S'
        )
    return axes


def arranged(pixels: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
    """Move the channels behind the columns, and the slices to the front.

    Args:
        pixels: An array.
        axes: Its letters.

    Returns:
        The array with its slices in the order of the file, then Y, X and channels if there are
        some; and the letters of the slices.
    """
    slices = ''.join(axis for axis in axes if axis not in 'CSYX')
    order = slices + 'YX' + ''.join(axis for axis in axes if axis in CHANNELS)
    return pixels.transpose([axes.index(axis) for axis in order]), slices
