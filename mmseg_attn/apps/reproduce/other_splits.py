"""Compare the rows of a table with those of another one that tests the same images."""

import statistics
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace

from ..markdown import md_table
from ..runs import Record, compare
from .rows import RowResult
from .tables import PaperTable

_EXPLAINED = (
    'Over all folds, this table and [{title}]({name}.md) test the same images, after trainings on '
    'other splits. Here, the folds of a seed are one test of all images: mIoU from the areas '
    'summed over them, the mean over the seeds. The interval over cases, as in '
    'Comparisons, does not cover the randomness of training; one over runs does. '
    'Rows without all folds in both tables are omitted.'
)


def compare_splits(
    table: PaperTable,
    results: Sequence[RowResult],
    other: PaperTable,
    others: Sequence[RowResult],
) -> str:
    """Return a section in Markdown with the rows that both tables have run on all folds.

    Args:
        table: The table.
        results: Its rows.
        other: The other table, which has the same images and classes.
        others: Its rows.

    Returns:
        The section; empty if there are no such rows.
    """
    header = ['model', 'mIoU there', 'mIoU here', 'there minus here']
    header += [*([table.claimed] if table.claimed else []), 'Wilcoxon p', 'images']
    rows = []
    there_by_name = {result.row.name: _folds_together(result, other) for result in others}
    for result in results:
        here, there = _folds_together(result, table), there_by_name.get(result.row.name, [])
        images = [[run.images for run in runs] for runs in (there, here)]
        comparison = compare(*images, case=table.case)
        if not comparison:
            continue
        mious = (statistics.mean(run.scores['mIoU'] for run in runs) for runs in (there, here))
        cells = [result.row.name, *(f'{miou:.2f}' for miou in mious), comparison]
        if table.claimed:
            label = here[0].classes.index(table.claimed)
            cells.append(compare(*images, label=label, case=table.case))
        rows.append([*cells, f'{comparison.p:.2g}', comparison.images])
    if not rows:
        return ''
    text = _EXPLAINED.format(title=other.title, name=other.name)
    return '\n\n'.join(['## Other splits', text, md_table(header, rows)])


def _folds_together(result: RowResult, table: PaperTable) -> list[Record]:
    """Return a record of all test images, for each seed that has all folds."""
    by_seed: dict[int | None, list[Record]] = {}
    for record in result.records:
        by_seed.setdefault(record.seed, []).append(record)
    return [
        replace(folds[0], images=dict(ChainMap(*(record.images for record in folds))))
        for folds in by_seed.values()
        if len(folds) == table.folds
    ]
