"""Write masks, overlays and a table of pixels."""

import copy
import csv
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from ...io.ome_zarr import ZarrMaps
from ...visualization import SegComparisonVisualizer
from ...visualization.drawable import drawable
from .parallel import Background
from .sources import FileContent
from .stacks import new_maps, write_stack

TABLE = 'pixels.csv'
COLUMNS = ('file', 'mask', 'slice', 'class', 'pixels', 'percent', 'area_mm2', 'volume_mm3')
LARGE = 2  # an image larger than so many panels is subsampled
PANEL = 320, 1024  # smallest and largest longer side of a panel, in pixels


class Results:
    """Write results to a folder.

    Args:
        folder: An empty folder for ``masks/``, ``overlays/`` and ``pixels.csv``.
        classes: Names of the classes.
        palette: Colors of the classes.

    Attributes:
        pixels: Number of pixels of each class in all files so far.
    """

    def __init__(
        self, folder: Path, *, classes: Sequence[str], palette: Sequence[Sequence[int]]
    ) -> None:
        self.folder = folder
        self.classes = classes
        self.palette = palette
        self.pixels = np.zeros(len(classes), dtype=np.int64)
        self.visualizer = SegComparisonVisualizer(name=str(folder))
        self.visualizer.dataset_meta = dict(classes=classes, palette=palette)
        append_rows(folder / TABLE, [COLUMNS])

    def new_labels(self, name: str, content: FileContent) -> list[np.ndarray] | ZarrMaps:
        """Return what takes the labels of the slices of a file, for :meth:`write`."""
        return new_maps(self.folder / 'masks' / name, content, colors=self.palette)

    def write(
        self,
        path: Path,
        name: str,
        content: FileContent,
        images: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
        *,
        bgr: bool = True,
        background: Background | None = None,
    ) -> None:
        """Write the results of one file.

        Args:
            path: The file, for the table.
            name: The name of its results.
            content: Its content.
            images: Its slices as the model received them, (H, W) or (H, W, C).
            labels: The labels of its slices, (H, W) and uint8 or uint16.
            bgr: Whether the first three channels are in BGR.
            background: Draws the overlays.
        """
        draw = partial(background.call, self.draw) if background else self.draw
        written = write_stack(self.folder / 'masks' / name, path, content, labels)
        mask = written.relative_to(self.folder).as_posix()
        sizes = content.pixel_area, content.voxel_volume
        for k, (image, label_map) in enumerate(zip(images, labels, strict=True)):
            draw(part_of(name, k, len(labels)), image, label_map, bgr=bgr)
            counts = np.bincount(label_map.ravel(), minlength=len(self.classes))
            self.count(path, mask, k, counts, sizes)

    def count(
        self,
        path: Path,
        mask: str,
        k: int,
        counts: np.ndarray,
        sizes: tuple[float | None, float | None],
    ) -> None:
        """Count the pixels of a slice.

        Args:
            path: The file, for the table.
            mask: The file of its labels, relative to the output folder.
            k: The number of the slice.
            counts: Pixels of each class, ``(classes,)``.
            sizes: Area and volume of a pixel in millimeters; ``None`` if unknown.
        """
        self.pixels += counts
        total = max(int(counts.sum()), 1)
        rows = []
        for label, pixels in zip(self.classes, counts.tolist(), strict=True):
            measures = [f'{pixels * size:.10g}' if size else '' for size in sizes]
            rows.append((path, mask, k, label, pixels, f'{100 * pixels / total:.4f}', *measures))
        append_rows(self.folder / TABLE, rows)

    def draw(self, name: str, image: np.ndarray, labels: np.ndarray, *, bgr: bool = False) -> None:
        """Draw an overlay.

        Args:
            name: The name of the overlay.
            image: ``(H, W)`` or ``(H, W, C)``.
            labels: ``(H, W)``; labels that are no classes are not drawn.
            bgr: Whether the first three channels are in BGR.
        """
        path = self.folder / 'overlays' / f'{name}.png'
        step, size = panel_of(labels.shape)
        image, labels = image[::step, ::step], labels[::step, ::step].astype(np.int32)
        sample = SegDataSample(pred_sem_seg=PixelData(data=torch.from_numpy(labels)[None]))
        visualizer = copy.copy(self.visualizer)  # other threads draw other sizes
        visualizer.panel_size = size
        # add_datasample would also draw with Matplotlib, which takes as long again
        drawn = visualizer.draw(
            drawable(image, bgr=bgr), sample, visualizer.dataset_meta, draw_gt=False
        )
        mmcv.imwrite(drawn[..., ::-1], str(path))


def part_of(name: str, k: int, count: int) -> str:
    """Return the name of the drawing of slice ``k`` of ``count``."""
    return f'{name}_slices/{k:0{len(str(count - 1))}d}' if count > 1 else name


def panel_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return every how many pixels of an image are drawn, and the longer side of its panel."""
    step = max(1, max(shape) // (LARGE * PANEL[1]))
    return step, min(max(-(-max(shape) // step), PANEL[0]), PANEL[1])


# How tables are opened; names of files that are not UTF-8 are kept as they are.
TABLE_TEXT: Any = dict(newline='', encoding='utf-8', errors='surrogateescape')


def append_rows(table: Path, rows: Iterable[Sequence[object]]) -> None:
    """Append rows to a CSV file, which is created if it does not exist."""
    with table.open('a', **TABLE_TEXT) as file:
        csv.writer(file).writerows(rows)
