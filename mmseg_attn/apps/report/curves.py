"""Draw curves of loss and metrics over the training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from ...datasets.nested_datasets import nested_datasets
from ...errors import DataError
from ..runs import PER_CLASS, Group, Run
from .images import hexadecimal

# Okabe and Ito's colors, which most color-blind people can distinguish, without the yellow
COLORS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000')

_STYLES = ('-', '--', ':', '-.')
_MARKERS = 'os^Dv*X'  # markers of classes, for readers who cannot distinguish the colors
_MARKED = 12  # approximate number of markers on a curve
_SIZE = 5.2, 3.4  # size of a panel in inches
_DPI = 160
_LEGEND = 70  # characters that fit into a row of a legend as wide as a panel
_TOGETHER = 7  # largest number of classes in one panel
_SMALLEST_RANGE = 10.0  # points of IoU on an axis
_CONTRAST = 3  # smallest contrast with white, as WCAG 2.1 requires for graphics
_DISTINCT = 20  # smallest distance of two colors in CIELAB
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # weights of linear red, green and blue


@dataclass
class Line:
    """A curve; a curve without a label has that of the previous curve.

    Attributes:
        label: The label.
        x: Epochs or iterations.
        y: Values.
        number: The index of its style.
        color: A color that replaces that of the style.
    """

    label: str
    x: list[float]
    y: list[float]
    number: int
    color: str = ''


@dataclass
class Panel:
    """Curves in one coordinate system.

    Attributes:
        title: The title.
        unit: The unit of x.
        quantity: The quantity of y, with its unit.
        lines: The curves.
        own_legend: Whether its lines differ from those of the other panels.
    """

    title: str
    unit: str
    quantity: str
    lines: list[Line]
    own_legend: bool = False


def panels(groups: Sequence[Group]) -> list[Panel]:
    """Make panels of the losses, mean IoU, and IoU per class.

    The classes of a single run share a panel if the lines can be distinguished, in the colors of
    the masks if these are distinct; otherwise each class has a panel. If all runs are validated by
    epoch, x counts epochs, else iterations.

    Args:
        groups: The runs; those of a group have the same style.

    Returns:
        The panels; a quantity that was not logged has no panel.
    """
    logs = [run.log for group in groups for run in group.runs]
    unit = 'epoch' if all(log.by_epoch for log in logs) else 'iteration'
    single = logs[0] if len(logs) == 1 else None
    classes = list(dict.fromkeys(name for log in logs for name in log.classes))
    best = single and single.best()
    quantities = [
        ('loss', 'Training loss', 'loss'),
        ('mean_loss', 'Validation loss', 'loss'),
        (
            'mIoU',
            'Validation mean IoU' + (f', best {best[1]:.1f}' if best else ''),
            'mean IoU, percent',
        ),
    ]
    together = single and 1 < len(classes) <= _TOGETHER
    if not together:
        quantities += [
            (PER_CLASS + name, f'Validation IoU: {name}', 'IoU, percent') for name in classes
        ]
    result = [
        Panel(title, unit, y, list(_lines(groups, key, unit))) for key, title, y in quantities
    ]
    if together:
        curves = [(name, *single.curve(PER_CLASS + name, unit)) for name in classes]
        colors = _colors(groups[0].runs[0], classes)
        lines = [
            Line(f'{name} {y[-1]:.1f}', x, y, i, colors.get(name, ''))
            for i, (name, x, y) in enumerate(curves)
            if y
        ]
        lines.sort(key=lambda line: -line.y[-1])
        title = 'Validation IoU per class, with the last value'
        result.append(Panel(title, unit, 'IoU, percent', lines, own_legend=True))
    return [panel for panel in result if panel.lines]


def class_colors(cfg: Config) -> dict[str, list[int]]:
    """Return the palette of a config's dataset, RGB by class; empty if it is unknown."""
    try:
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        *_, inner = nested_datasets(cfg.val_dataloader.dataset)
        meta = DATASETS.build(dict(inner, lazy_init=True, pipeline=[])).metainfo
        return dict(zip(meta['classes'], meta['palette'], strict=True))
    except Exception:  # a foreign config
        return {}


def on_white(names: Sequence[str], palette: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return the colors of classes for CSS, the pale ones darkened.

    Args:
        names: The classes.
        palette: Colors of classes, RGB.

    Returns:
        A color of each class; empty if a color is missing or two are hard to distinguish.
    """
    if any(name not in palette for name in names):
        return {}
    darkened = [_darken(palette[name]) for name in names]
    lab = cv2.cvtColor(np.array(darkened, np.float32).reshape(-1, 1, 3) / 255, cv2.COLOR_RGB2LAB)
    if any(np.linalg.norm(a - b) < _DISTINCT for a, b in combinations(lab[:, 0], 2)):
        return {}
    return {name: hexadecimal(color) for name, color in zip(names, darkened, strict=True)}


def draw(panels: Sequence[Panel], *, columns: int = 1, title: str = '') -> Figure:
    """Draw panels in rows, with a legend.

    Args:
        panels: The panels.
        columns: The number of panels in a row.
        title: The title of the figure.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    labels = [line.label for panel in panels if not panel.own_legend for line in panel.lines]
    named = list(dict.fromkeys(filter(None, labels)))
    height = _SIZE[1] * rows + 0.25 * len(named) / columns
    figure = Figure((_SIZE[0] * columns, height), dpi=_DPI, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        _draw(panel, ax)
    for ax in axes[len(panels) :]:
        ax.axis('off')
    if len(named) > 1:
        handles = {h.get_label(): h for ax in axes for h in ax.lines if h.get_label() in named}
        figure.legend(
            handles=[handles[label] for label in named],
            loc='outside upper center',
            ncols=_columns(named, _LEGEND * columns),
            frameon=False,
            fontsize=9,
        )
    if title:
        figure.suptitle(title)
    return figure


def _columns(labels: Sequence[str], characters: int) -> int:
    """Return the number of columns that fit into a legend."""
    return min(len(labels), max(1, characters // (max(map(len, labels)) + 6)))


def _draw(panel: Panel, ax: Axes) -> None:
    for line in panel.lines:
        style = dict(marker='o' if len(line.x) < 30 else '', markersize=3.5)
        if panel.own_legend:
            style = dict(marker=_MARKERS[line.number % len(_MARKERS)], markersize=5)
            style['markevery'] = -(-len(line.x) // _MARKED)
        ax.plot(
            line.x,
            line.y,
            label=line.label or '_',
            color=line.color or COLORS[line.number % len(COLORS)],
            linestyle=_STYLES[line.number // len(COLORS) % len(_STYLES)],
            linewidth=1.6,
            **style,
        )
    ax.set_title(panel.title, fontsize=10, loc='left')
    ax.set_xlabel(panel.unit)
    ax.set_ylabel(panel.quantity)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlim(left=0)
    if 'percent' in panel.quantity:  # noise must not look like a trend
        low, high = ax.get_ylim()
        margin = max(0, _SMALLEST_RANGE - (high - low)) / 2
        ax.set_ylim(max(low - margin, -0.3), min(high + margin, 100.3))  # 0 and 100 stay visible
    ax.grid(color='0.92')
    ax.spines[['top', 'right']].set_visible(False)
    if panel.own_legend:
        columns = _columns([line.label for line in panel.lines], _LEGEND)
        position = dict(loc='upper center', bbox_to_anchor=(0.5, -0.2))
        labels = [line.label for line in panel.lines]  # named, as one may begin with '_'
        ax.legend(ax.lines, labels, ncols=columns, frameon=False, fontsize=9, **position)


def _lines(groups: Sequence[Group], key: str, unit: str) -> Iterator[Line]:
    for number, group in enumerate(groups):
        label = group.title
        for run in group.runs:
            x, y = run.log.curve(key, unit)
            if y:
                yield Line(label, x, y, number)
                label = ''


def _colors(run: Run, classes: Sequence[str]) -> dict[str, str]:
    """Return the colors of a run's masks; empty if they or the config cannot be used."""
    try:
        return on_white(classes, class_colors(run.cfg)) if run.cfg is not None else {}
    except DataError:  # the config cannot be read, and curves do not need it
        return {}


def _darken(color: Sequence[int]) -> list[int]:
    """Darken a color to the contrast with white, with the same hue."""
    srgb = np.asarray(color) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    brightest = 1.05 / _CONTRAST - 0.05
    linear *= min(1, brightest / max(linear @ _LUMINANCE, brightest))
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [int(value) for value in np.floor(255 * srgb + 1e-6)]
