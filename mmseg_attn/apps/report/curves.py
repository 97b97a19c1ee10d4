"""Loss and scores over the training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...errors import DataError
from .class_colors import class_colors, on_white
from .groups import Group
from .log import PER_CLASS
from .run import Run

SIZE = 5.2, 3.4  # inches of a panel
LEGEND = 70  # characters that fit into a row of a legend as wide as a panel
TOGETHER = 7  # the most classes in one panel
DPI = 160
LEAST = 10.0  # points of IoU that an axis shows
# Okabe and Ito's colors, which most color-blind people tell apart, without the yellow
COLORS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000')
STYLES = ('-', '--', ':', '-.')
MARKERS = 'os^Dv*X'  # of classes, for those who do not tell the colors apart
MARKED = 12  # points of a curve, about


@dataclass
class Line:
    """A curve; without a label it belongs to the one before."""

    label: str
    x: list[float]
    y: list[float]
    number: int  # of its look
    color: str = ''  # instead of the number's


@dataclass
class Panel:
    """What is drawn in one coordinate system.

    Attributes:
        title: What it shows.
        unit: What x counts.
        quantity: What y is, with its unit.
        lines: The curves.
        own_legend: Whether its lines are others than those of the other panels.
    """

    title: str
    unit: str
    quantity: str
    lines: list[Line]
    own_legend: bool = False


def panels(groups: Sequence[Group]) -> list[Panel]:
    """What there is to draw: losses, mean IoU, and IoU per class.

    The classes of a single run share a panel, as long as the lines can be told apart, in the
    colors of its masks if these can; else each class gets a panel. If all runs are validated by
    epoch, x counts epochs, else iterations.

    Args:
        groups: The runs; those of a group look the same.

    Returns:
        The panels; none for what was not logged.
    """
    logs = [run.log for group in groups for run in group.runs]
    unit = 'epoch' if all(log.by_epoch for log in logs) else 'iteration'
    alone = logs[0] if len(logs) == 1 else None
    classes = list(dict.fromkeys(name for log in logs for name in log.classes))
    best = alone and alone.best()
    wanted = [
        ('loss', 'Training loss', 'loss'),
        ('mean_loss', 'Validation loss', 'loss'),
        ('mIoU', 'Validation mean IoU', 'mean IoU, percent'),
    ]
    if best:
        wanted[2] = ('mIoU', f'{wanted[2][1]}, best {best[1]:.1f}', wanted[2][2])
    together = alone and 1 < len(classes) <= TOGETHER
    if not together:
        wanted += [
            (PER_CLASS + name, f'Validation IoU: {name}', 'IoU, percent') for name in classes
        ]
    found = [Panel(title, unit, y, list(_lines(groups, key, unit))) for key, title, y in wanted]
    if together:
        curves = [(name, *alone.curve(PER_CLASS + name, unit)) for name in classes]
        colors = _colors(groups[0].runs[0], classes)
        lines = [
            Line(f'{name} {y[-1]:.1f}', x, y, i, colors.get(name, ''))
            for i, (name, x, y) in enumerate(curves)
            if y
        ]
        lines.sort(key=lambda line: -line.y[-1])
        title = 'Validation IoU per class, with the last value'
        found.append(Panel(title, unit, 'IoU, percent', lines, own_legend=True))
    return [panel for panel in found if panel.lines]


def _lines(groups: Sequence[Group], key: str, unit: str) -> Iterator[Line]:
    for number, group in enumerate(groups):
        label = group.title
        for run in group.runs:
            x, y = run.log.curve(key, unit)
            if y:
                yield Line(label, x, y, number)
                label = ''


def _colors(run: Run, classes: Sequence[str]) -> dict[str, str]:
    """The colors of a run's masks; none where they or the config cannot be used."""
    try:
        return on_white(classes, class_colors(run.cfg)) if run.cfg is not None else {}
    except DataError:  # the config cannot be read, which curves do not need
        return {}


def draw(wanted: Sequence[Panel], *, columns: int = 1, title: str = '') -> Figure:
    """Draw panels in rows, and what the lines are.

    Args:
        wanted: The panels.
        columns: How many stand in a row.
        title: What stands above.
    """
    columns = min(columns, len(wanted))
    rows = -(-len(wanted) // columns)
    labels = [line.label for panel in wanted if not panel.own_legend for line in panel.lines]
    named = list(dict.fromkeys(label for label in labels if label))
    height = SIZE[1] * rows + 0.25 * len(named) / columns
    figure = Figure((SIZE[0] * columns, height), dpi=DPI, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, ax in zip(wanted, axes, strict=False):
        _draw(panel, ax)
    for ax in axes[len(wanted) :]:
        ax.axis('off')
    if len(named) > 1:
        handles = {h.get_label(): h for ax in axes for h in ax.lines if h.get_label() in named}
        figure.legend(
            handles=[handles[label] for label in named],
            loc='outside upper center',
            ncols=_columns(named, LEGEND * columns),
            frameon=False,
            fontsize=9,
        )
    if title:
        figure.suptitle(title)
    return figure


def _columns(labels: Sequence[str], characters: int) -> int:
    """How many columns of a legend fit."""
    return min(len(labels), max(1, characters // (max(map(len, labels)) + 6)))


def _draw(panel: Panel, ax: Axes) -> None:
    for line in panel.lines:
        look = dict(marker='o' if len(line.x) < 30 else '', markersize=3.5)
        if panel.own_legend:
            look = dict(marker=MARKERS[line.number % len(MARKERS)], markersize=5)
            look['markevery'] = -(-len(line.x) // MARKED)
        ax.plot(
            line.x,
            line.y,
            label=line.label or '_',
            color=line.color or COLORS[line.number % len(COLORS)],
            linestyle=STYLES[line.number // len(COLORS) % len(STYLES)],
            linewidth=1.6,
            **look,
        )
    ax.set_title(panel.title, fontsize=10, loc='left')
    ax.set_xlabel(panel.unit)
    ax.set_ylabel(panel.quantity)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlim(left=0)
    if 'percent' in panel.quantity:  # noise shall not look like a landslide
        low, high = ax.get_ylim()
        margin = max(0, LEAST - (high - low)) / 2
        ax.set_ylim(max(low - margin, -0.3), min(high + margin, 100.3))  # 0 and 100 are seen
    ax.grid(color='0.92')
    ax.spines[['top', 'right']].set_visible(False)
    if panel.own_legend:
        columns = _columns([line.label for line in panel.lines], LEGEND)
        place = dict(loc='upper center', bbox_to_anchor=(0.5, -0.2))
        ax.legend(ncols=columns, frameon=False, fontsize=9, **place)
