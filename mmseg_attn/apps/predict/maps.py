"""Write probabilities and uncertainty in 8 bits, and a table of their means."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...io import to_bytes
from .predictor import Prediction
from .results import append_rows
from .sources import FileContent
from .stacks import write_stack

MAPS = ('probabilities', 'entropy', 'disagreement')
TABLE = 'uncertainty.csv'
CONFIDENT = 0.9  # probability of the predicted class


class SliceMaps(NamedTuple):
    """Hold the maps of a slice in 8 bits, (K, H, W) by name, and its row of the table."""

    stored: dict[str, np.ndarray]
    row: tuple[str, ...]


class MapResults:
    """Write the maps of predictions to a folder.

    A probability of 1, and the largest entropy, ``log(classes)``, are 255. The metadata of each
    file has the scale. Columns of ``uncertainty.csv``: means over the pixels of a slice in nats,
    and the percentage of pixels whose class has a probability below ``CONFIDENT``.

    Args:
        folder: The output folder.
        classes: Names of the classes.
        names: The maps to write, of ``MAPS``.

    Attributes:
        largest: The value of each map that is stored as the largest number.
    """

    def __init__(self, folder: Path, *, classes: Sequence[str], names: Sequence[str]) -> None:
        self.folder = folder
        self.classes = classes
        self.largest = {
            name: 1.0 if name == 'probabilities' else math.log(len(classes)) for name in names
        }
        below = f'percent_below_{CONFIDENT}'
        append_rows(
            self.folder / TABLE, [('file', 'slice', 'mean_entropy', 'mean_disagreement', below)]
        )

    def keep(self, prediction: Prediction) -> SliceMaps:
        """Round the maps of a slice to 8 bits, and compute its row."""
        maps = prediction.maps
        uncertain = np.mean(maps['probabilities'].max(axis=0) < CONFIDENT)
        means = [f'{maps[name].mean():.6g}' if name in maps else '' for name in MAPS[1:]]
        stored = {
            name: to_bytes(maps[name], (0, largest)) for name, largest in self.largest.items()
        }
        return SliceMaps(stored, (*means, f'{100 * uncertain:.4f}'))

    def write(
        self, path: Path, name: str, content: FileContent, slices: Sequence[SliceMaps]
    ) -> None:
        """Write the maps of one file.

        Args:
            path: The file, for the table.
            name: The name of its results.
            content: Its content.
            slices: The maps of its slices.
        """
        for kind, largest in self.largest.items():
            stacks = zip(*(maps.stored[kind] for maps in slices), strict=True)
            unit = '' if kind == 'probabilities' else ' nats'
            for (folder, what), stack in zip(self.places(kind), stacks, strict=True):
                text = f'{what}: 0 to 255 stand for 0 to {largest:.6g}{unit}'
                write_stack(folder / name, path, content, stack, step=largest / 255, text=text)
        self.append(path, [maps.row for maps in slices])

    def places(self, kind: str) -> list[tuple[Path, str]]:
        """Return the folder of each of the maps of a kind, and what they are."""
        folder = self.folder / kind
        if kind != 'probabilities':
            return [(folder, kind)]
        return [
            (folder / folder_of(number, label), f'probability of class {number} ({label})')
            for number, label in enumerate(self.classes)
        ]

    def append(self, path: Path, rows: Iterable[Sequence[str]]) -> None:
        """Append the rows of the slices of a file to the table."""
        append_rows(self.folder / TABLE, [(path, k, *row) for k, row in enumerate(rows)])


def folder_of(number: int, label: str) -> str:
    """Return the name of the folder of a class, without characters that file systems refuse."""
    return f'{number}_{re.sub(r"[^A-Za-z0-9_-]+", "-", label)}'
