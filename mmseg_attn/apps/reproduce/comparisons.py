"""Compare the proposals of a table with its baselines."""

from collections.abc import Sequence

from ..markdown import md_table
from ..runs import Comparison, compare
from .rows import RowResult
from .tables import PaperTable

_EXPLAINED = (
    'Each proposal against each baseline on the same test images. The difference of mIoU is the '
    'mean over the folds that both have. The interval over cases ({cases}) says how much it '
    'depends on the choice of the test images: it is from a bootstrap of the cases (10,000 '
    'resamples, mIoU from summed areas). The interval over folds (Student, from the differences in '
    'each fold) says how much it depends on the training, since each fold has its own. On a single '
    'fold with several seeds, an interval over runs (Student) says so. **A comparison of one seed '
    'on a single fold has neither: it compares two trained networks, and others of the same models '
    'may differ by as much.** "No difference shown": one of the intervals contains 0. Wilcoxon p: '
    'signed-rank test of the scores of the cases. The score of a case is the mean over its images, '
    'and that of an image its mean IoU over the classes that are labeled in it. The test can '
    'disagree with the interval, since it does not count pixels. '
    'Nothing is corrected for the number of comparisons: in 20 comparisons of equally good models '
    'on several folds, up to one difference is expected to be shown by chance, and of single seeds '
    'on a single fold more.'
)
_IMAGES = 'single images, even if several show the same patient, which makes it too narrow'


def compare_rows(table: PaperTable, results: Sequence[RowResult]) -> str:
    """Return a section in Markdown that compares each proposal with each baseline.

    Args:
        table: The table.
        results: Its rows.

    Returns:
        The section; empty if no two of them were tested on the same images.
    """
    compared = comparisons(table, results)
    if not compared:
        return ''
    claimed = comparisons(table, results, table.claimed) if table.claimed else {}
    by_name = {result.row.name: result for result in results}
    header = ['proposal', 'baseline', 'difference in percentage points', 'in each fold']
    header += ['Wilcoxon p', *([table.claimed] if claimed else []), 'images', *table.cases]
    rows = []
    for names, found in compared.items():
        same, others = _folds(*(by_name[name] for name in names))
        in_each = [found.list_sets(same), *(f'{fold}: other images' for fold in others)]
        cells = [*names, found, ', '.join(in_each), f'{found.p:.2g}']
        cells += [claimed.get(names, '')] if claimed else []
        rows.append([*cells, found.images, *([found.cases] if table.cases else [])])
    text = _EXPLAINED.format(cases=''.join(table.cases) or _IMAGES)
    return '\n\n'.join(['## Comparisons', text, md_table(header, rows)])


def comparisons(
    table: PaperTable, results: Sequence[RowResult], name: str = ''
) -> dict[tuple[str, str], Comparison]:
    """Compare each proposal with each baseline that was tested on the same images.

    Args:
        table: The table.
        results: Its rows.
        name: The class whose IoU is compared in place of the mIoU.
    """
    images = {r.row.name: [record.images for record in r.records] for r in results}
    classes = next((record.classes for r in results for record in r.records), [])
    label = classes.index(name) if name and classes else None
    compared = {
        (proposal, baseline): compare(
            images.get(proposal, ()), images.get(baseline, ()), label=label, case=table.case
        )
        for proposal in table.proposals
        for baseline in table.baselines
    }
    return {names: comparison for names, comparison in compared.items() if comparison}


def _folds(one: RowResult, other: RowResult) -> tuple[list[int], list[int]]:
    """Return the folds that both rows were tested on with the same images, and with others."""
    sets = [{(run.fold, frozenset(run.images)) for run in row.records} for row in (one, other)]
    same = {fold for fold, _ in sets[0] & sets[1]}
    return sorted(same), sorted({*one.folds} & {*other.folds} - same)
