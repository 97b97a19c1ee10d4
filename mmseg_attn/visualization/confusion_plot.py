"""Draw a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

NUMBERED = 40  # with more classes, the drawing has no numbers
INCHES = 22  # its side then


def plot_confusion(counts: np.ndarray, classes: Sequence[str], file: Path) -> None:
    """Draw a confusion matrix with rows in percent of the true class's pixels.

    The drawing of more than ``NUMBERED`` classes has a fixed size and no numbers.

    Args:
        counts: Pixels ``(C, C)``, with a row per true class; rows without pixels stay empty.
        classes: Names of the C classes.
        file: The image file to write.
    """
    totals = counts.sum(axis=1, keepdims=True)
    percents = np.divide(100 * counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    many = len(classes) > NUMBERED
    side = 2.5 + (INCHES if many else 0.55 * len(classes))
    figure = Figure(figsize=(side + 1.2, side), layout='constrained')
    axes = figure.subplots()
    image = axes.imshow(percents, cmap='Blues', vmin=0, vmax=100)
    for (row, column), percent in () if many else np.ndenumerate(percents):
        if not np.isnan(percent):
            color = 'white' if percent > 60 else 'black'
            axes.text(column, row, f'{percent:.1f}', ha='center', va='center', color=color, size=8)
    size = min(10, 72 * INCHES / len(classes))  # points; 72 are an inch
    axes.set_xticks(
        range(len(classes)), classes, rotation=90 if many else 45, ha='right', size=size
    )
    axes.set_yticks(range(len(classes)), classes, size=size)
    axes.set_xlabel('predicted class')
    axes.set_ylabel('true class')
    figure.colorbar(image, label="percent of the true class's pixels", shrink=0.8)
    figure.savefig(file, dpi=150)
