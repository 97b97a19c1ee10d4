"""Draw reliability diagrams, and list calibration errors.

A diagram compares the probabilities of a class with how often it is the true class: pixels are
divided into bins by the probability, and a point shows the mean probability of a bin and the
fraction of its pixels that have the class (DeGroot & Fienberg, 1983; Guo et al., arXiv 1706.04599).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from ...evaluation.calibration import expected_calibration_error
from .curves import COLORS
from .evaluation import GroupResult
from .images import PageImage, figure_uri
from .tables import Cell, Row, Table

FEWEST = 30  # pixels of a bin that is drawn

_SIDE = 4.2  # inches
_ROW = 0.25  # inches, of the legend
_DPI = 160
_MARKERS = 'os^Dv*X'


class _Curve(NamedTuple):
    """The tables (1 + C, 3, B) of a model, or of one with its temperature, summed over runs."""

    label: str
    tables: np.ndarray


def diagrams(groups: Sequence[GroupResult]) -> list[PageImage]:
    """Draw a diagram for each class, with a line for each model; none without probabilities.

    Of two classes, only the second is drawn, since the first mirrors it. A single model with a
    temperature has a line without it, too.
    """
    curves = _curves(groups)
    if not curves:
        return []
    classes = next(group.classes for group in groups if group.classes)
    numbers = range(len(classes) == 2, len(classes))
    return [_diagram(classes[i], [(c.label, c.tables[1 + i]) for c in curves]) for i in numbers]


def errors(groups: Sequence[GroupResult]) -> Table:
    """List the expected calibration errors of the predicted class and of each class."""
    curves = _curves(groups)
    table = Table(
        'Expected calibration error, from 0 (best) to 1: the mean distance of probability and '
        'frequency.',
        ['probability of', *(curve.label for curve in curves)],
    )
    if curves:
        classes = next(group.classes for group in groups if group.classes)
        for number, name in enumerate(['the predicted class', *classes]):
            values = [_error(curve.tables[number]) for curve in curves]
            cells = [Cell(f'{value:.4f}') for value in values]
            table.rows.append(Row(name, cells, 'class' if number else ''))
    return table


def _curves(groups: Sequence[GroupResult]) -> list[_Curve]:
    """Return the curves of the groups that have the classes of the first one with predictions."""
    classes = next((group.classes for group in groups if group.classes), [])
    curves = []
    for group in groups:
        tables = [evaluation.reliability for evaluation in group.evaluations]
        if group.classes != classes or not tables or not all(tables):
            continue
        last = [list(of_run)[-1] for of_run in tables]  # the temperature of each run
        plain = sum(of_run[1] for of_run in tables)
        if not plain[0, 0].any():  # no pixel is labeled
            continue
        used = '' if set(last) == {1} else _label(last)
        if len(groups) == 1 and used:
            curves.append(_Curve('no temperature', plain))
        title = group.group.title if len(groups) > 1 or not used else ''
        total = sum(of_run[t] for of_run, t in zip(tables, last, strict=True))
        curves.append(_Curve(', '.join(filter(None, (title, used))), total))
    return curves


def _label(temperatures: Sequence[float]) -> str:
    known = {f'{t:.3g}' for t in temperatures}
    return f'temperature {known.pop()}' if len(known) == 1 else 'temperature of each run'


def _diagram(name: str, curves: Sequence[tuple[str, np.ndarray]]) -> PageImage:
    """Draw the diagram of a class from the table (3, B) of each curve."""
    height = _SIDE + _ROW * len(curves)
    figure = Figure((_SIDE, height), dpi=_DPI, layout='constrained')
    ax = figure.subplots()
    ax.plot([0, 100], [0, 100], color='0.5', linestyle='--', linewidth=1)
    texts = []
    for number, (label, table) in enumerate(curves):
        pixels, right, probability = table[:, table[0] >= FEWEST]
        x, y = 100 * probability / pixels, 100 * right / pixels
        ax.plot(
            x,
            y,
            label=f'{label}: error {_error(table):.3f}',
            color=COLORS[number % len(COLORS)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4.5,
            linewidth=1.6,
        )
        points = ', '.join(f'{a:.0f}→{b:.0f}' for a, b in zip(x, y, strict=True))
        texts.append(f'{label}: {points}')
    ax.set_title(name, fontsize=10, loc='left')
    ax.set_xlabel('probability of the class, percent')
    ax.set_ylabel('pixels of the class, percent')
    ax.set_xlim(-2, 102)
    ax.set_ylim(-2, 102)
    ax.grid(color='0.92')
    ax.spines[['top', 'right']].set_visible(False)
    figure.legend(loc='outside lower center', frameon=False, fontsize=9)
    alt = f'Reliability of {name}: probability→pixels of the class, in percent. {"; ".join(texts)}.'
    return PageImage(figure_uri(figure), alt)


def _error(table: np.ndarray) -> float:
    return expected_calibration_error(torch.from_numpy(table))
