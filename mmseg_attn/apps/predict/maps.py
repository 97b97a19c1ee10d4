"""Write probabilities and uncertainty in 8 bits, and a table of their means."""

import math
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import mmcv
import numpy as np

from ...errors import UsageError
from ...io import to_bytes
from ...visualization.drawable import drawable
from ...visualization.uncertainty_picture import draw_uncertainty
from .parallel import Background
from .predictor import Prediction
from .results import append_rows, panel_of, part_of
from .sources import FileContent
from .stacks import new_maps, write_stack

MAPS = ('probabilities', 'entropy', 'disagreement')
TABLE = 'uncertainty.csv'
CONFIDENT = 0.9  # probability of the predicted class


class StackMap(NamedTuple):
    """Where the map of one kind and class is written, and how.

    Attributes:
        base: The path without ending.
        text: What the values mean.
        largest: The value of a stored 255.
        maps: The maps of the slices in 8 bits, (H, W).
    """

    base: Path
    text: str
    largest: float
    maps: Any


class StackMaps:
    """The maps of the slices of a file.

    Attributes:
        kinds: The maps of each kind, one for each class or a single one.
        only: The numbers of the classes.
        rows: The rows of the table, by slice.
    """

    def __init__(self, kinds: dict[str, list[StackMap]], only: Sequence[int]) -> None:
        self.kinds = kinds
        self.only = only
        self.rows: list[tuple[str, ...]] = []

    @property
    def stacks(self) -> list[Any]:
        """The maps of the slices, for each kind and class."""
        return [stack.maps for stacks in self.kinds.values() for stack in stacks]

    def append(self, prediction: Prediction) -> None:
        """Round the maps of the next slice to 8 bits, and compute its row."""
        maps = prediction.maps
        for kind, stacks in self.kinds.items():
            chosen = maps[kind][self.only] if kind == 'probabilities' else maps[kind]
            for stack, values in zip(stacks, chosen, strict=True):
                stack.maps.append(to_bytes(values, (0, stack.largest)))
        uncertain = np.mean(maps['probabilities'].max(axis=0) < CONFIDENT)
        means = [f'{maps[name].mean():.6g}' if name in maps else '' for name in MAPS[1:]]
        self.rows.append((*means, f'{100 * uncertain:.4f}'))


class MapResults:
    """Write the maps of predictions to a folder.

    A probability of 1, and the largest entropy, ``log(classes)``, are 255. The metadata of each
    file has the scale. Columns of ``uncertainty.csv``: means over the pixels of a slice in nats,
    and the percentage of pixels whose class has a probability below ``CONFIDENT``. With the
    entropy, ``uncertain/`` has a drawing of each slice.

    Args:
        folder: The output folder.
        classes: Names of the classes.
        names: The maps to write, of ``MAPS``.
        only: The classes whose probabilities are written; all, if empty.

    Attributes:
        largest: The value of each map that is stored as the largest number.
        only: The numbers of these classes.

    Raises:
        UsageError: If a class is unknown.
    """

    def __init__(
        self,
        folder: Path,
        *,
        classes: Sequence[str],
        names: Sequence[str],
        only: Sequence[str] = (),
    ) -> None:
        check_classes(only, classes)
        self.folder = folder
        self.classes = classes
        self.largest = {
            name: 1.0 if name == 'probabilities' else math.log(len(classes)) for name in names
        }
        self.only = [k for k, name in enumerate(classes) if name in only or not only]
        below = f'percent_below_{CONFIDENT}'
        append_rows(
            self.folder / TABLE, [('file', 'slice', 'mean_entropy', 'mean_disagreement', below)]
        )

    def start(self, name: str, content: FileContent) -> StackMaps:
        """Return what takes the maps of the slices of a file, for :meth:`write`."""
        kinds: dict[str, list[StackMap]] = {}
        for kind, largest in self.largest.items():
            unit = '' if kind == 'probabilities' else ' nats'
            kinds[kind] = []
            for folder, what in self.places(kind):
                text = f'{what}: 0 to 255 stand for 0 to {largest:.6g}{unit}'
                maps = new_maps(folder / name, content, text=text)
                kinds[kind].append(StackMap(folder / name, text, largest, maps))
        return StackMaps(kinds, self.only)

    def write(
        self,
        path: Path,
        name: str,
        content: FileContent,
        images: Sequence[np.ndarray],
        stack_maps: StackMaps,
        *,
        bgr: bool = True,
        background: Background | None = None,
    ) -> None:
        """Write the maps of one file.

        Args:
            path: The file, for the table.
            name: The name of its results.
            content: Its content.
            images: Its slices as the model received them, (H, W) or (H, W, C).
            stack_maps: The maps of its slices.
            bgr: Whether the first three channels are in BGR.
            background: Draws where the model is uncertain.
        """
        for stacks in stack_maps.kinds.values():
            for base, text, largest, maps in stacks:
                write_stack(base, path, content, maps, step=largest / 255, text=text)
        self.append(path, stack_maps.rows)
        draw = partial(background.call, self.draw) if background else self.draw
        for _, _, largest, maps in stack_maps.kinds.get('entropy', ()):
            for k, (image, stored) in enumerate(zip(images, maps, strict=True)):
                draw(part_of(name, k, len(images)), image, stored * (largest / 255), bgr=bgr)

    def draw(self, name: str, image: np.ndarray, entropy: np.ndarray, *, bgr: bool = False) -> None:
        """Draw where the model is uncertain, in panels of the size of overlays.

        Args:
            name: The name of the drawing.
            image: ``(H, W)`` or ``(H, W, C)``.
            entropy: In nats, ``(H, W)``.
            bgr: Whether the first three channels are in BGR.
        """
        step, size = panel_of(entropy.shape)
        image, entropy = drawable(image[::step, ::step], bgr=bgr), entropy[::step, ::step]
        drawn = draw_uncertainty(image, entropy, self.largest['entropy'], panel_size=size)
        mmcv.imwrite(drawn[..., ::-1], str(self.folder / 'uncertain' / f'{name}.png'))

    def places(self, kind: str) -> list[tuple[Path, str]]:
        """Return the folder of each of the maps of a kind, and what they are."""
        folder = self.folder / kind
        if kind != 'probabilities':
            return [(folder, kind)]
        return [
            (
                folder / folder_of(number, self.classes[number]),
                f'probability of class {number} ({self.classes[number]})',
            )
            for number in self.only
        ]

    def append(self, path: Path, rows: Iterable[Sequence[str]]) -> None:
        """Append the rows of the slices of a file to the table."""
        append_rows(self.folder / TABLE, [(path, k, *row) for k, row in enumerate(rows)])


def check_classes(names: Sequence[str], classes: Sequence[str]) -> None:
    """Check that a model has the classes that a user names.

    Raises:
        UsageError: If it does not.
    """
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise UsageError(f'the model has no class {unknown[0]!r}: name one of {", ".join(classes)}')


def folder_of(number: int, label: str) -> str:
    """Return the name of the folder of a class, without characters that file systems refuse."""
    return f'{number}_{re.sub(r"[^A-Za-z0-9_-]+", "-", label)}'
