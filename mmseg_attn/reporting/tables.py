"""The tables of a page, as text with marks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..reproduction import summarise
from .cost import cost, duration
from .describe import setup
from .result import GroupResult, class_names
from .scores import MEASURES

MEANS = dict(mIoU='mean IoU', mAcc='mean recall', aAcc='pixel accuracy')
OF_CLASSES = dict(IoU='mIoU', Recall='mAcc')  # means of a measure that have names
NONE = '–'
WIDE = 10  # classes, from which on a confusion matrix leaves out decimals
SHADES = (247, 8), (251, 81), (255, 156)  # red, green and blue of no share and of all


@dataclass
class Cell:
    """A figure as text.

    Attributes:
        text: The figure.
        best: Whether it is the best of its row.
        shade: How dark its ground is, from 0 to 1; ``None`` for no shade.
    """

    text: str
    best: bool = False
    shade: float | None = None

    @property
    def style(self) -> str:
        """The colours of the shade, which are the same on a light and a dark page."""
        ground = (round(light + self.shade * (dark - light)) for light, dark in SHADES)
        ink = '#fff' if self.shade > 0.55 else '#111'
        return f'background:rgb({" ".join(map(str, ground))});color:{ink}'


@dataclass
class Row:
    """A line of a table.

    Attributes:
        name: What it is about.
        cells: Its figures.
        kind: 'class', 'mean' or nothing.
        span: Whether its one cell stands for all columns.
    """

    name: str
    cells: list[Cell]
    kind: str = ''
    span: bool = False


@dataclass
class Table:
    """A table with the names of its columns, if any; the first is that of the rows."""

    caption: str
    header: list[str]
    rows: list[Row] = field(default_factory=list)


def compared(groups: Sequence[GroupResult]) -> Table:
    """IoU of every class, a column per group: mean and deviation where there are several runs."""
    names = class_names(result for group in groups for result in group.results)
    summaries = [summarise([each.metrics for each in group.results]) for group in groups]
    several = any(len(group.results) > 1 for group in groups)
    caption = 'IoU of every class and means, per cent'
    caption += '; mean ± standard deviation over the runs (n − 1)' if several else ''
    caption += '. The best is bold.' if len(groups) > 1 else '.'
    table = Table(caption, ['class', *(group.group.title for group in groups)])
    for key, name, kind in _keys(names):
        values = [summary.get(key, {}).get('mean') for summary in summaries]
        if any(value is not None for value in values):
            texts = [_spread(summary.get(key, {})) for summary in summaries]
            table.rows.append(Row(name, _marked(texts, values), kind))
    return table


def of_runs(group: GroupResult) -> Table:
    """IoU of every class in every run of a group."""
    names = class_names(group.results)
    summary = summarise([each.metrics for each in group.results])
    header = ['class', 'mean', 'std', *(each.run.name for each in group.results)]
    table = Table(
        'IoU of every class and means in each run, per cent; std: standard deviation (n − 1).',
        header,
    )
    for key, name, kind in _keys(names):
        if key in summary:
            row = summary[key]
            values = [row['mean'], row['std'], *row['folds']]
            table.rows.append(Row(name, [Cell(_percent(value)) for value in values], kind))
    return table


def per_class(group: GroupResult) -> Table:
    """All measures of every class, and its share of the pixels; means over the runs."""
    names = class_names(group.results)
    summary = summarise([each.metrics for each in group.results])
    columns = {
        measure: [summary.get(f'{measure}.{name}', {}).get('mean') for name in names]
        for measure in MEASURES
    }
    columns = {
        measure: values for measure, values in columns.items() if values != [None] * len(names)
    }
    table = Table(
        'In per cent' + ('; mean over the runs.' if len(group.results) > 1 else '.'),
        ['class', *columns],
        [
            Row(name, [Cell(_percent(v[i])) for v in columns.values()], 'class')
            for i, name in enumerate(names)
        ],
    )
    means = [
        summary[key]['mean'] if (key := OF_CLASSES.get(measure)) in summary else _mean(values)
        for measure, values in columns.items()
    ]
    table.rows.append(Row('mean', [Cell(_percent(value)) for value in means], 'mean'))
    if group.evaluations:
        pixels = sum(each.counts for each in group.evaluations).sum(axis=1)
        table.header.append('share of pixels')
        shares = [*(100 * pixels / max(pixels.sum(), 1)), None]
        for row, share in zip(table.rows, shares, strict=True):
            row.cells.append(Cell(_percent(share) if share is not None else ''))
    return table


def confused(counts: np.ndarray, classes: Sequence[str]) -> Table:
    """Which class is taken for which: per cent of the true class's pixels, which are shaded.

    Args:
        counts: (C, C), pixels with a row per true class; one without pixels stays empty.
        classes: Their names.
    """
    digits = 1 if len(classes) <= WIDE else 0
    table = Table(
        "Rows: the true class; columns: what it was taken for, in per cent of the row's pixels.",
        ['true class', *classes],
    )
    for name, row in zip(classes, counts, strict=True):
        shares = 100 * row / row.sum() if row.sum() else []
        cells = [Cell(f'{share:.{digits}f}', shade=share / 100) for share in shares]
        table.rows.append(Row(name, cells or [Cell(NONE)] * len(classes), 'class'))
    return table


def costs(groups: Sequence[GroupResult]) -> Table:
    """What the groups cost, a column each; of several runs the mean. The least is marked."""
    found = [[cost(result) for result in group.results] for group in groups]
    sizes = {each.shape for several in found for each in several if each.complexity}
    size = ' of ' + ' x '.join(map(str, *sizes)) if len(sizes) == 1 else ''
    quantities = {
        'parameters': (lambda c: c.complexity and c.complexity.parameters, millions),
        f'FLOPs for an image{size}': (lambda c: c.complexity and c.complexity.flops, _billions),
        'time per iteration of the training': (lambda c: c.iteration, duration),
        'time of the training with validations': (lambda c: c.training, duration),
        'GPU memory': (lambda c: c.memory, lambda mib: f'{mib / 1024:.1f} GiB'),
    }
    table = Table('A multiply-add is two FLOPs.', _names(groups))
    for name, (value, text) in quantities.items():
        values = [_mean(map(value, several)) for several in found]
        if any(each is not None for each in values):
            texts = [NONE if each is None else text(each) for each in values]
            cells = _marked(texts, [None if each is None else -each for each in values])
            table.rows.append(Row(name, cells))
    return table


def setups(groups: Sequence[GroupResult]) -> Table:
    """What the groups were, a column each; what all share stands once."""
    told = [[setup(result.run) for result in group.results] for group in groups]
    topics = dict.fromkeys(topic for several in told for each in several for topic in each)
    table = Table('', _names(groups))
    for topic in topics:
        texts = [
            ', '.join(dict.fromkeys(each[topic] for each in several if topic in each)) or NONE
            for several in told
        ]
        same = len(set(texts)) == 1
        cells = [Cell(text) for text in (texts[:1] if same else texts)]
        table.rows.append(Row(topic, cells, span=same and len(groups) > 1))
    return table


def _names(groups: Sequence[GroupResult]) -> list[str]:
    """A header of groups; none where there is but one."""
    return ['', *(group.group.title for group in groups)] if len(groups) > 1 else []


def _keys(classes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Key in the metrics, name and kind of the rows."""
    rows = [(f'IoU.{name}', name, 'class') for name in classes]
    return [*rows, *((key, name, 'mean') for key, name in MEANS.items())]


def _marked(texts: Sequence[str], values: Sequence[float | None]) -> list[Cell]:
    """Cells of which the largest value is marked, if there are others."""
    known = [round(value, 2) for value in values if value is not None]
    best = max(known) if len(set(known)) > 1 else None
    pairs = zip(texts, values, strict=True)
    return [Cell(text, value is not None and round(value, 2) == best) for text, value in pairs]


def _spread(row: dict) -> str:
    text = _percent(row.get('mean'))
    return f'{text} ± {row["std"]:.2f}' if row.get('std') is not None else text


def _percent(value: float | None) -> str:
    return NONE if value is None else f'{value:.2f}'


def millions(value: float) -> str:
    """A large number in millions."""
    return f'{value / 1e6:.2f} M'


def _billions(value: float) -> str:
    return f'{value / 1e9:.2f} G'


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
