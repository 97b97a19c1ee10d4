"""Make the tables of scores."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ...errors import UsageError
from ..runs import MEASURES, Comparison, compare, summarize
from .evaluation import GroupResult, class_names, differences

NONE = '–'

_SHADES = (247, 8), (251, 81), (255, 156)  # red, green and blue at 0 and 100 percent
_MEANS = dict(mIoU='mean IoU', mAcc='mean recall', aAcc='pixel accuracy')
_MEAN_OF = dict(IoU='mIoU', Recall='mAcc')  # measures whose mean has a name
_MANY = 10  # a confusion matrix with more classes has no decimals


@dataclass
class Cell:
    """One cell of a table.

    Attributes:
        text: The text.
        best: Whether its value is the best of its row.
        shade: Darkness of the background from 0 to 1; ``None`` for no background.
    """

    text: str
    best: bool = False
    shade: float | None = None

    @property
    def style(self) -> str:
        """The colors of the shade, the same on a light and a dark page."""
        background = (round(light + self.shade * (dark - light)) for light, dark in _SHADES)
        foreground = '#fff' if self.shade > 0.55 else '#111'
        return f'background:rgb({" ".join(map(str, background))});color:{foreground}'


@dataclass
class Row:
    """One row of a table.

    Attributes:
        name: Its header.
        cells: Its cells.
        kind: 'class', 'mean' or nothing.
        span: Whether its only cell spans all columns.
    """

    name: str
    cells: list[Cell]
    kind: str = ''
    span: bool = False


@dataclass
class Table:
    """A table; the header, if any, begins with the column of the row names."""

    caption: str
    header: list[str]
    rows: list[Row] = field(default_factory=list)


def marked(
    texts: Sequence[str], values: Sequence[float | None], *, rank: bool = True
) -> list[Cell]:
    """Make cells and, if ``rank`` is set and values differ as printed, mark the largest value.

    A deviation, ``' ± '`` and a number, does not count.
    """
    known = {
        value: text.partition(' ± ')[0]
        for text, value in zip(texts, values, strict=True)
        if value is not None and math.isfinite(value)
    }
    best = known[max(known)] if rank and len({*known.values()}) > 1 else None
    pairs = zip(texts, values, strict=True)
    return [Cell(text, best is not None and known.get(value) == best) for text, value in pairs]


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def compared(groups: Sequence[GroupResult]) -> Table:
    """Compare groups, one per column: IoU of each class, with mean and deviation over several runs.

    The best value is marked if all groups were measured on the same images.
    """
    names = class_names(result for group in groups for result in group.results)
    summaries = [summarize(group.metrics) for group in groups]
    several = any(len(group.results) > 1 for group in groups)
    caption = 'IoU of each class and means, in percent'
    caption += '; mean ± standard deviation over the runs (n − 1)' if several else ''
    reason = differences(groups)
    caption += f'. {reason}.' if reason else '. The best value is bold.' if len(groups) > 1 else '.'
    table = Table(caption, ['class', *(group.group.title for group in groups)])
    for key, name, kind in _score_rows(names):
        values = [summary.get(key, {}).get('mean') for summary in summaries]
        if any(value is not None for value in values):
            texts = [_mean_and_std(summary.get(key, {})) for summary in summaries]
            table.rows.append(Row(name, marked(texts, values, rank=not reason), kind))
    return table


def paired(groups: Sequence[GroupResult], case: Callable[[str], str] = str) -> Table | None:
    """Compare all groups in pairs on the images that both were tested on; ``None`` if none are.

    Args:
        groups: The groups.
        case: Returns the case of an image by its path below the folder that all have in common.
    """
    table = Table(
        'Difference of mean IoU of two models on the same images, in percentage points. The '
        'interval over cases (images, or what --case-pattern names) is from a bootstrap, and says '
        'how much it depends on the choice of the images. The interval over folds, '
        'or over the runs on a single test set, says how much it depends on the training. Without '
        'either, two trained networks are compared, and others of the same models may differ by as '
        'much. p: Wilcoxon signed-rank test of the scores of single cases.',
        ['compared', 'difference', 'on each test set', 'p', 'images', 'cases'],
    )
    areas = [group.areas for group in groups]
    folders = {os.path.dirname(path) for runs in areas for run in runs for path in run}
    root = os.path.commonpath(folders) if folders else ''
    for (first, theirs), (second, ours) in combinations(zip(groups, areas, strict=True), 2):
        if first.classes == second.classes:
            try:
                found = compare(ours, theirs, case=lambda path: case(os.path.relpath(path, root)))
            except UsageError as error:  # the pattern does not match
                cells = [str(error), '', '', '', '']
            else:
                cells = _cells(found) if found else []
            if cells:
                name = f'{second.group.name} against {first.group.name}'
                table.rows.append(Row(name, [Cell(text) for text in cells]))
    return table if table.rows else None


def _cells(found: Comparison) -> list[str]:
    p = f'{found.p:.2g}'
    return [str(found), found.list_sets(), p, str(found.images), str(found.cases)]


def of_runs(group: GroupResult) -> Table:
    """List the IoU of each class in each run of a group."""
    names = class_names(group.results)
    summary = summarize(group.metrics)
    header = ['class', 'mean', 'std', *(result.run.name for result in group.results)]
    table = Table(
        'IoU of each class and means in each run, in percent; std: standard deviation (n − 1).',
        header,
    )
    for key, name, kind in _score_rows(names):
        if key in summary:
            row = summary[key]
            values = [row['mean'], row['std'], *row['folds']]
            table.rows.append(Row(name, [Cell(_percent(value)) for value in values], kind))
    return table


def per_class(group: GroupResult) -> Table:
    """List the measures of each class and its fraction of the pixels, averaged over the runs."""
    names = class_names(group.results)
    summary = summarize(group.metrics)
    columns = {
        measure: [summary.get(f'{measure}.{name}', {}).get('mean') for name in names]
        for measure in MEASURES
    }
    columns = {
        measure: values for measure, values in columns.items() if values != [None] * len(names)
    }
    table = Table(
        'In percent' + ('; mean over the runs.' if len(group.results) > 1 else '.'),
        ['class', *columns],
        [
            Row(name, [Cell(_percent(v[i])) for v in columns.values()], 'class')
            for i, name in enumerate(names)
        ],
    )
    means = [
        summary[key]['mean'] if (key := _MEAN_OF.get(measure)) in summary else mean(values)
        for measure, values in columns.items()
    ]
    table.rows.append(Row('mean', [Cell(_percent(value)) for value in means], 'mean'))
    if group.evaluations:
        pixels = sum(evaluation.counts for evaluation in group.evaluations).sum(axis=1)
        table.header.append('percent of pixels')
        percents = [*(100 * pixels / max(pixels.sum(), 1)), None]
        for row, value in zip(table.rows, percents, strict=True):
            row.cells.append(Cell(_percent(value) if value is not None else ''))
    return table


def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> Table:
    """Show a confusion matrix in percent of the true class's pixels, shaded.

    Args:
        counts: Confusion matrix (C, C), with a row per true class; a row without pixels
            stays empty.
        classes: Names of the classes.
    """
    digits = 1 if len(classes) <= _MANY else 0
    table = Table(
        "Rows: true class; columns: predicted class; in percent of the row's pixels.",
        ['true class', *classes],
    )
    for name, row in zip(classes, counts, strict=True):
        percents = 100 * row / row.sum() if row.sum() else []
        cells = [Cell(f'{value:.{digits}f}', shade=value / 100) for value in percents]
        table.rows.append(Row(name, cells or [Cell(NONE)] * len(classes), 'class'))
    return table


def _score_rows(classes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return key in the metrics, name and kind of the rows."""
    rows = [(f'IoU.{name}', name, 'class') for name in classes]
    return [*rows, *((key, name, 'mean') for key, name in _MEANS.items())]


def _percent(value: float | None) -> str:
    return NONE if value is None else f'{value:.2f}'


def _mean_and_std(row: dict) -> str:
    text = _percent(row.get('mean'))
    return f'{text} ± {row["std"]:.2f}' if row.get('std') is not None else text
