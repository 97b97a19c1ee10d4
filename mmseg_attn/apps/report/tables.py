"""The tables of scores."""

from collections.abc import Sequence

import numpy as np

from ..reproduce import summarize
from .alike import differences
from .result import GroupResult, class_names
from .scores import MEASURES
from .table import NONE, Cell, Row, Table, marked, mean, percent

MEANS = dict(mIoU='mean IoU', mAcc='mean recall', aAcc='pixel accuracy')
OF_CLASSES = dict(IoU='mIoU', Recall='mAcc')  # means of a measure that have names
WIDE = 10  # classes, from which on a confusion matrix leaves out decimals


def compared(groups: Sequence[GroupResult]) -> Table:
    """IoU of every class, a column per group: mean and deviation where there are several runs.

    The best is marked if all groups were measured alike.
    """
    names = class_names(result for group in groups for result in group.results)
    summaries = [summarize([each.metrics for each in group.results]) for group in groups]
    several = any(len(group.results) > 1 for group in groups)
    caption = 'IoU of every class and means, percent'
    caption += '; mean ± standard deviation over the runs (n − 1)' if several else ''
    unlike = differences(groups)
    caption += f'. {unlike}.' if unlike else '. The best is bold.' if len(groups) > 1 else '.'
    table = Table(caption, ['class', *(group.group.title for group in groups)])
    for key, name, kind in _keys(names):
        values = [summary.get(key, {}).get('mean') for summary in summaries]
        if any(value is not None for value in values):
            texts = [_spread(summary.get(key, {})) for summary in summaries]
            table.rows.append(Row(name, marked(texts, values, rank=not unlike), kind))
    return table


def of_runs(group: GroupResult) -> Table:
    """IoU of every class in every run of a group."""
    names = class_names(group.results)
    summary = summarize([each.metrics for each in group.results])
    header = ['class', 'mean', 'std', *(each.run.name for each in group.results)]
    table = Table(
        'IoU of every class and means in each run, percent; std: standard deviation (n − 1).',
        header,
    )
    for key, name, kind in _keys(names):
        if key in summary:
            row = summary[key]
            values = [row['mean'], row['std'], *row['folds']]
            table.rows.append(Row(name, [Cell(percent(value)) for value in values], kind))
    return table


def per_class(group: GroupResult) -> Table:
    """All measures of every class, and its share of the pixels; means over the runs."""
    names = class_names(group.results)
    summary = summarize([each.metrics for each in group.results])
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
            Row(name, [Cell(percent(v[i])) for v in columns.values()], 'class')
            for i, name in enumerate(names)
        ],
    )
    means = [
        summary[key]['mean'] if (key := OF_CLASSES.get(measure)) in summary else mean(values)
        for measure, values in columns.items()
    ]
    table.rows.append(Row('mean', [Cell(percent(value)) for value in means], 'mean'))
    if group.evaluations:
        pixels = sum(each.counts for each in group.evaluations).sum(axis=1)
        table.header.append('share of pixels')
        shares = [*(100 * pixels / max(pixels.sum(), 1)), None]
        for row, share in zip(table.rows, shares, strict=True):
            row.cells.append(Cell(percent(share) if share is not None else ''))
    return table


def confused(counts: np.ndarray, classes: Sequence[str]) -> Table:
    """Which class is taken for which: percent of the true class's pixels, which are shaded.

    Args:
        counts: (C, C), pixels with a row per true class; one without pixels stays empty.
        classes: Their names.
    """
    digits = 1 if len(classes) <= WIDE else 0
    table = Table(
        "Rows: the true class; columns: what it was taken for, in percent of the row's pixels.",
        ['true class', *classes],
    )
    for name, row in zip(classes, counts, strict=True):
        shares = 100 * row / row.sum() if row.sum() else []
        cells = [Cell(f'{share:.{digits}f}', shade=share / 100) for share in shares]
        table.rows.append(Row(name, cells or [Cell(NONE)] * len(classes), 'class'))
    return table


def _keys(classes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Key in the metrics, name and kind of the rows."""
    rows = [(f'IoU.{name}', name, 'class') for name in classes]
    return [*rows, *((key, name, 'mean') for key, name in MEANS.items())]


def _spread(row: dict) -> str:
    text = percent(row.get('mean'))
    return f'{text} ± {row["std"]:.2f}' if row.get('std') is not None else text
