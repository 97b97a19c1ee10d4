"""Draw some images with their masks, a legend and the fractions of the classes."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...visualization.drawable import drawable
from .fingerprint import Dataset
from .reading import Slice, read_image_slices, read_mask

IMAGES, COLUMNS = 8, 4
OPACITY = 0.45
LONGEST = 512  # pixels of a drawn side


def draw_preview(dataset: Dataset, file: Path) -> None:
    """Draw a contact sheet: each image above the same image with its mask.

    Args:
        dataset: The dataset.
        file: PNG file to write.
    """
    chosen = choose_slices(dataset)
    columns = min(COLUMNS, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    figure = Figure(figsize=(2.6 * columns, 5.4 * rows + 1.1), dpi=90, layout='constrained')
    axes = figure.subplots(2 * rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    images, masks = cache(read_image_slices), cache(read_mask)  # several slices of a volume
    for i, one in enumerate(chosen):
        pixels = images(one.pair.image)[0][one.index]
        labels = dataset.labels.apply(masks(one.pair.mask), one.index)
        image, overlay = _draw(dataset, pixels, labels)
        row, column = 2 * (i // columns), i % columns
        axes[row, column].imshow(image)
        axes[row + 1, column].imshow(overlay)
        name = one.name if len(one.name) <= 28 else f'...{one.name[-25:]}'
        axes[row, column].set_title(name, fontsize=8, parse_math=False)
    fractions = dataset.fractions(dataset.slices)
    patches = [
        Patch(
            facecolor=np.array(color) / 255,
            edgecolor='black',
            label=f'{name}: {100 * fractions[i]:.3g} %'.replace('$', r'\$'),
        )
        for i, (name, color) in enumerate(
            zip(dataset.labels.classes, dataset.labels.palette, strict=True)
        )
    ]
    figure.legend(
        handles=patches,
        loc='outside lower center',
        ncols=min(len(patches), 2 * columns, 5),
        fontsize=9,
        frameon=False,
        title='class: percentage of the labeled pixels of all images',
    )
    figure.savefig(file)


def choose_slices(dataset: Dataset) -> list[Slice]:
    """Choose images with the most classes, evenly spaced over the names."""
    counts = [len(dataset.labels.classes_of(one)) for one in dataset.slices]
    most = sorted(counts, reverse=True)[: 4 * IMAGES][-1]
    full = [one for one, count in zip(dataset.slices, counts, strict=True) if count >= most]
    return [full[i] for i in sorted({*np.linspace(0, len(full) - 1, IMAGES).astype(int).tolist()})]


def _draw(
    dataset: Dataset, pixels: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and the image with its mask, both (H, W, 3) and uint8."""
    step = max(max(labels.shape) // LONGEST, 1)
    image, labels = drawable(pixels[::step, ::step]), labels[::step, ::step]
    colors = np.zeros((256, 3))
    colors[: len(dataset.labels.palette)] = dataset.labels.palette
    opacity = np.where(_background(dataset.labels.classes, labels), 0, OPACITY)[..., None]
    overlay = (1 - opacity) * image + opacity * colors[labels]
    return image, overlay.round().astype(np.uint8)


def _background(classes: Sequence[str], labels: np.ndarray) -> np.ndarray:
    """Return where there is nothing to draw: background and ignored pixels."""
    ignored = labels >= len(classes)
    return ignored | (labels == 0) if classes[0] == 'background' else ignored
