"""Write probabilities and uncertainty in 8 bits, and a table of their means."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np

from ...errors import UsageError
from ...io import to_bytes
from ...visualization.drawable import drawable
from ...visualization.uncertainty_picture import draw_uncertainty
from .predictor import Prediction
from .results import LARGE, PANEL, append_rows
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
    and the percentage of pixels whose class has a probability below ``CONFIDENT``. With the
    entropy, ``uncertain/`` has a drawing of each slice.

    Args:
        folder: The output folder.
        classes: Names of the classes.
        names: The maps to write, of ``MAPS``.
        only: The classes whose probabilities are written; all, if empty.

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
        for name in only:
            if name not in classes:
                raise UsageError(
                    f'the model has no class {name!r}: name one of {", ".join(classes)}'
                )
        self.folder = folder
        self.classes = classes
        self.names = names
        self.only = [k for k, name in enumerate(classes) if name in only or not only]
        below = f'percent_below_{CONFIDENT}'
        append_rows(
            self.folder / TABLE, [('file', 'slice', 'mean_entropy', 'mean_disagreement', below)]
        )

    def keep(self, prediction: Prediction) -> SliceMaps:
        """Round the maps of a slice to 8 bits, and compute its row."""
        maps = prediction.maps
        uncertain = np.mean(maps['probabilities'].max(axis=0) < CONFIDENT)
        means = [f'{maps[name].mean():.6g}' if name in maps else '' for name in MAPS[1:]]
        kept = maps | dict(probabilities=maps['probabilities'][self.only])
        stored = {name: to_bytes(kept[name], (0, self._largest(name))) for name in self.names}
        return SliceMaps(stored, (*means, f'{100 * uncertain:.4f}'))

    def write(
        self,
        path: Path,
        name: str,
        content: FileContent,
        images: Sequence[np.ndarray],
        slices: Sequence[SliceMaps],
        *,
        bgr: bool = True,
    ) -> None:
        """Write the maps of one file.

        Args:
            path: The file, for the table.
            name: The name of its results.
            content: Its content.
            images: Its slices as the model received them, (H, W) or (H, W, C).
            slices: The maps of its slices.
            bgr: Whether the first three channels are in BGR.
        """
        for kind in self.names:
            stacks = zip(*(maps.stored[kind] for maps in slices), strict=True)
            for index, stack in enumerate(stacks):
                folder, what = self.folder / kind, kind
                if kind == 'probabilities':
                    number = self.only[index]
                    label = self.classes[number]
                    what = f'probability of class {number} ({label})'
                    folder /= folder_of(number, label)
                largest = self._largest(kind)
                unit = '' if kind == 'probabilities' else ' nats'
                text = f'{what}: 0 to 255 stand for 0 to {largest:.6g}{unit}'
                write_stack(folder / name, path, content, stack, step=largest / 255, text=text)
        append_rows(self.folder / TABLE, [(path, k, *maps.row) for k, maps in enumerate(slices)])
        digits = len(str(len(slices) - 1))
        for k, (image, maps) in enumerate(zip(images, slices, strict=True)):
            if 'entropy' in maps.stored:
                part = f'{name}_slices/{k:0{digits}d}' if len(slices) > 1 else name
                self._draw(part, drawable(image, bgr=bgr), maps.stored['entropy'][0])

    def _draw(self, name: str, image: np.ndarray, stored: np.ndarray) -> None:
        """Draw where the model is uncertain, in panels of the size of overlays."""
        step = max(1, max(stored.shape) // (LARGE * PANEL[1]))
        image, stored = image[::step, ::step], stored[::step, ::step]
        largest = self._largest('entropy')
        size = min(max(*stored.shape, PANEL[0]), PANEL[1])
        drawn = draw_uncertainty(image, stored * (largest / 255), largest, panel_size=size)
        mmcv.imwrite(drawn[..., ::-1], str(self.folder / 'uncertain' / f'{name}.png'))

    def _largest(self, kind: str) -> float:
        return 1.0 if kind == 'probabilities' else math.log(len(self.classes))


def folder_of(number: int, label: str) -> str:
    """Return the name of the folder of a class, without characters that file systems refuse."""
    return f'{number}_{re.sub(r"[^A-Za-z0-9_-]+", "-", label)}'
