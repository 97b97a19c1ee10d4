"""Write the records of a table as Markdown and CSV, next to the paper's figures."""

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..runs import Comparison, Key, Record, compare
from .tables import Column, PaperRow, PaperTable, Plan

PAPER, OURS = 'reported by the paper', 'measured here'
_MARK = ' \\*'  # of a row whose code has changed
_LISTED = 3  # changed files of a row
_COMPARED = (
    'Each proposal against each baseline on the same test images. The difference of mIoU is the '
    'mean over the folds that both have. The interval over cases ({cases}) says how much it '
    'depends on the choice of the test images: it is from a bootstrap of the cases (10,000 '
    'resamples, mIoU from summed areas). The interval over folds (Student, from the differences in '
    'each fold) says how much it depends on the training, since each fold has its own. **A '
    'comparison on a single fold has no such interval: it compares two trained networks, '
    'and others of the same models may differ by as much.** "No difference shown": one of the '
    'intervals contains 0. Wilcoxon p: signed-rank test of the scores of the cases. The score of '
    'a case is the mean over its images, and that of an image its mean IoU over the classes that '
    'are labeled in it. The test can disagree with the interval, since it does not count pixels.'
)

_IMAGES = 'single images, even if several show the same patient, which makes it too narrow'


@dataclass(frozen=True)
class RowResult:
    """The records of a row.

    Args:
        plan: The plan of the row.
        records: Its records, by fold and seed.
        changed: The files of the package that a run has used and that were changed since.
    """

    plan: Plan
    records: list[Record]
    changed: list[str]

    @property
    def row(self) -> PaperRow:
        """The row."""
        return self.plan.row

    def values(self, column: Column) -> list[float]:
        """Return the value of each record in the unit of the paper."""
        known = [record.scores.get(column.metric) for record in self.records]
        return [value * column.scale for value in known if value is not None]

    def measured(self, column: Column) -> tuple[float | None, float | None]:
        """Return mean and standard deviation in the unit of the paper.

        They are over the folds, each the mean over its seeds, or over the seeds of a single fold.
        """
        by_fold: dict[int, list[float]] = {}
        for record in self.records:
            if (value := record.scores.get(column.metric)) is not None:
                by_fold.setdefault(record.fold, []).append(value * column.scale)
        values = [statistics.mean(seeds) for seeds in by_fold.values()]
        mean = statistics.mean(values) if values else None
        values = values if len(values) > 1 else [v for seeds in by_fold.values() for v in seeds]
        return mean, statistics.stdev(values) if len(values) > 1 else None

    def complete(self, table: PaperTable) -> bool:
        """Return whether the row was run on all folds of its table."""
        return len(self.folds) == table.folds

    @property
    def folds(self) -> list[int]:
        """The folds that were run, in order."""
        return sorted({record.fold for record in self.records})

    @property
    def runs(self) -> str:
        """The folds and seeds that were run, such as 'folds 0 to 4, seed 0'."""
        by_seeds: dict[str, list[int]] = {}
        for fold in self.folds:
            seeds = _numbers('seed', [r.seed for r in self.records if r.fold == fold])
            by_seeds.setdefault(seeds, []).append(fold)
        parts = [f'{_numbers("fold", folds)}, {seeds}' for seeds, folds in by_seeds.items()]
        return '; '.join(parts)

    @property
    def seconds(self) -> float | None:
        """Seconds per training iteration of the fastest run."""
        times = [record.seconds.get('iteration') for record in self.records]
        return min((time for time in times if time is not None), default=None)


def collect(
    table: PaperTable, plans: Sequence[Plan], records: Mapping[Key, Record]
) -> list[RowResult]:
    """Find the records of each row."""
    results = []
    for plan in plans:
        of_row = [
            record
            for fold, digest in enumerate(plan.hashes)
            for key, record in sorted(records.items(), key=lambda item: item[0].seed or 0)
            if key == Key(digest, key.seed, table.split, table.checkpoint)
        ]
        changed = sorted({file for record in of_row for file in record.changed_code()})
        results.append(RowResult(plan, of_row, changed))
    return results


def markdown(
    table: PaperTable,
    results: Sequence[RowResult],
    *,
    command: str,
    image: str,
    records: str,
    other_splits: str = '',
) -> str:
    """Return the page of a table.

    Args:
        table: The table.
        results: Its rows.
        command: The command that fills it.
        image: The file of its plot.
        records: The folder of the records, relative to the page.
        other_splits: The section of :func:`compare_splits`.
    """
    parts = [f'# {table.title}', ' '.join([*_preface(table, results), *table.notes])]
    parts.append(_figures(table, results))
    if any(result.changed for result in results):
        parts.append(
            '\\* Code that a run of this row used was changed since: the files are listed in Rows.'
        )
    if not all(result.records for result in results):
        parts.append('Empty cells have not been run yet.')
    parts.append(f'![{table.title}]({image})')
    if compared := comparisons(table, results):
        claimed = comparisons(table, results, table.claimed) if table.claimed else {}
        text = _COMPARED.format(cases=''.join(table.cases) or _IMAGES)
        folds = {result.row.name: result.folds for result in results}
        parts += ['## Comparisons', text, _compared(compared, claimed, table, folds)]
    parts += [other_splits] if other_splits else []
    parts += ['## Rows', _rows(table, results)]
    parts += ['## Runs', _runs(table, results, records)]
    parts += ['## Measurement', f'```shell\n{command}\n```', _conditions(table, results)]
    return '\n\n'.join(parts) + '\n'


def main_figures(table: PaperTable, results: Sequence[RowResult]) -> str:
    """Return a table in Markdown of the main metric of the rows that were run."""
    column = table.columns[0]
    header = [PAPER] if table.in_paper[0] else []
    lines = [['model', *(f'{column.name}, {kind}' for kind in [*header, OURS]), 'runs']]
    lines += [[r.row.name, *_cells(table, r, 0), r.runs] for r in results if r.records]
    return md_table(lines)


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


def to_csv(table: PaperTable, results: Sequence[RowResult]) -> str:
    """Return the table as CSV with six digits; a cell without a figure is empty."""
    header = ['model', 'config', 'options', 'runs', 'training']
    for column, in_paper in zip(table.columns, table.in_paper, strict=True):
        kinds = [*([PAPER] if in_paper else []), OURS, f'{OURS}, sd']
        header += [f'{column.name}, {kind}' for kind in kinds]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow([*header, 'parameters', 'FLOPs', 'seconds per iteration', 'changed since'])
    for result in results:
        row, options = result.row, ' '.join(f'{k}={v}' for k, v in result.plan.options.items())
        cells = [row.name, row.config, options, len(result.records), result.plan.cut or 'whole']
        for i, column in enumerate(table.columns):
            cells += [row.reported(i)] if table.in_paper[i] else []
            cells += [x if x is None else f'{x:.6g}' for x in result.measured(column)]
        first = result.records[0] if result.records else None
        cells += [first and first.parameters, first and first.flops, result.seconds]
        writer.writerow([*cells, ' '.join(result.changed)])
    return stream.getvalue()


def _preface(table: PaperTable, results: Sequence[RowResult]) -> list[str]:
    if table.paper:
        first = f'"{PAPER.capitalize()}": {table.paper}. "{OURS.capitalize()}": this package.'
    else:
        first = 'All figures were measured here.'
    sentences = [first]
    runs = list(dict.fromkeys(result.runs for result in results if result.records))
    if len(runs) > 1:
        sentences.append(
            '**The rows were run on different folds or with different seeds (see Rows), so their '
            'means cannot be compared.**'
        )
    elif runs and table.folds > len({fold for result in results for fold in result.folds}):
        sentences.append(f'**Our figures are for {runs[0]}**, of {table.folds} folds.')
    if any(len(result.records) > 1 for result in results):
        sentences.append(
            'Our figures are the mean ± standard deviation (n - 1) over the folds, each the mean '
            'over its seeds, or over the seeds of a single fold.'
        )
    cuts = dict.fromkeys(result.plan.cut for result in results if result.plan.cut)
    if cuts:
        sentences.append(
            f'**Our trainings are {"; ".join(cuts)}**, with the beginning of the whole learning '
            'rate schedule, so the figures cannot be compared with those of the whole training.'
        )
    return sentences


def _figures(table: PaperTable, results: Sequence[RowResult]) -> str:
    header = ['model']
    for column, in_paper in zip(table.columns, table.in_paper, strict=True):
        header += [f'{column.name}, {PAPER}'] if in_paper else []
        header.append(f'{column.name}, {OURS}' if table.paper else column.name)
    lines = [[*header, 'parameters (M)', 'GFLOPs per image', 's per iteration']]
    for result in results:
        cells = [result.row.name + (_MARK if result.changed else '')]
        for i in range(len(table.columns)):
            cells += _cells(table, result, i)
        first = result.records[0] if result.records else None
        cells.append(f'{first.parameters / 1e6:.2f}' if first and first.parameters else '')
        cells.append(f'{first.flops / 1e9:.2f}' if first and first.flops else '')
        cells.append('' if result.seconds is None else f'{result.seconds:.3g}')
        lines.append(cells)
    return md_table(lines)


def _cells(table: PaperTable, result: RowResult, i: int) -> list[str]:
    """Return the cells of a column: the paper's figure, if the paper has any there, and ours."""
    column, figure = table.columns[i], result.row.reported(i)
    reported = ['' if figure is None else column.text(figure)] if table.in_paper[i] else []
    return [*reported, _measured(result, column)]


def _measured(result: RowResult, column: Column) -> str:
    mean, std = result.measured(column)
    if mean is None:
        return 'not defined' if result.records else ''
    return column.text(mean) + ('' if std is None else f' ± {column.text(std)}')


def _compared(
    comparisons: Mapping[tuple[str, str], Comparison],
    claimed: Mapping[tuple[str, str], Comparison],
    table: PaperTable,
    folds: Mapping[str, Sequence[int]],
) -> str:
    header = ['proposal', 'baseline', 'difference in percentage points', 'in each fold']
    header += ['Wilcoxon p', *([table.claimed] if claimed else [])]
    lines = [[*header, 'images', *table.cases]]
    for names, comparison in comparisons.items():
        common = sorted({*folds[names[0]]} & {*folds[names[1]]})
        differences = [f'{difference:+.1f}' for difference in comparison.by_set]
        if len(common) == len(differences):  # a fold may have other images in one of the rows
            differences = [f'{k}: {text}' for k, text in zip(common, differences, strict=True)]
        cells = [str(comparison), ', '.join(differences), f'{comparison.p:.2g}']
        cells += [str(claimed[names]) if names in claimed else ''] if claimed else []
        cells += [str(comparison.images), *([str(comparison.cases)] if table.cases else [])]
        lines.append([*names, *cells])
    return md_table(lines)


def _rows(table: PaperTable, results: Sequence[RowResult]) -> str:
    lines = [['model', 'config', 'runs', 'remarks']]
    for result in results:
        plan = result.plan
        own = {k: v for k, v in plan.options.items() if table.options.get(k) != v}
        options = ''.join(f', `{key}={value}`' for key, value in own.items())
        resumed = sum(record.resumed for record in result.records)
        remarks = [
            plan.row.note,
            'tested with test-time augmentation' * plan.row.tta,
            f'starts from {plan.weights}' if plan.configs and plan.weights else '',
            plan.cut if result.records else '',
            plan.error,
            f'interruptions: {resumed}' if resumed else '',
            _changed(result.changed),
        ]
        config = f'`{plan.row.config}`{options}'
        cells = [plan.row.name, config, result.runs or 'not run', '; '.join(filter(None, remarks))]
        lines.append(cells)
    return md_table(lines)


def _changed(files: Sequence[str]) -> str:
    """List the first files that were changed."""
    more = f' and {len(files) - _LISTED} more' if len(files) > _LISTED else ''
    return f'changed since: {", ".join(files[:_LISTED])}{more}' if files else ''


def _runs(table: PaperTable, results: Sequence[RowResult], folder: str) -> str:
    """List the records, which the figures are from."""
    column = table.columns[0]
    lines = [['model', 'fold', 'seed', column.name, 'checkpoint', 'training', 'record']]
    for result in results:
        for record in result.records:
            value = record.scores.get(column.metric)
            figure = '' if value is None else column.text(value * column.scale)
            minutes = f'{record.seconds["training"] / 60:.1f} min'
            link = f'[{record.name}]({folder}/{record.name})'
            cells = [result.row.name, str(record.fold), str(record.seed), figure]
            lines.append([*cells, record.checkpoint, minutes, link])
    return md_table(lines) if len(lines) > 1 else 'Nothing has been run yet.'


def _conditions(table: PaperTable, results: Sequence[RowResult]) -> str:
    records = [record for result in results for record in result.records]
    common = ' '.join(f'{key}={value}' for key, value in table.options.items())
    others = ', '.join(result.row.name for result in results if result.row.own_protocol)
    rows = 'all rows' + f' except {others}' * bool(others)
    lines = [
        *([f'- changes to the configs of {rows}: `{common}`'] if common else []),
        f'- measured on the {table.split} split, with the {table.checkpoint} checkpoint'
        + (' (by mIoU on the validation split)' if table.checkpoint == 'best' else ''),
        '- the scores are from the areas that each record has for each image; each record also has '
        'the command that repeats it',
        '- FLOPs: for one image of the size at the end of the name of the config; a multiply-add '
        'is two FLOPs; parameters: including auxiliary heads; seconds per iteration: the median of '
        'the logged values of the fastest run, since a machine is slower beside other work',
    ]
    if not records:
        return '\n'.join(lines)
    dates = sorted(record.date for record in records)
    lines.append(f'- date: {" to ".join(dict.fromkeys((dates[0], dates[-1])))}')
    for name in ('machine', 'versions'):
        groups: dict[str, list[str]] = {}
        for result in results:
            for record in result.records:
                text = ', '.join(f'{k} {v}' for k, v in getattr(record, name).items())
                rows = groups.setdefault(text, [])
                rows += [] if result.row.name in rows else [result.row.name]
        for text, rows in groups.items():
            which = f' ({", ".join(rows)})' if len(groups) > 1 else ''
            lines.append(f'- {name}{which}: {text}')
    return '\n'.join(lines)


def _numbers(name: str, numbers: Iterable[int | None]) -> str:
    """Format numbers, such as 'folds 0 to 4' or 'seed 1'."""
    numbers = list(numbers)
    if len(numbers) == 1:
        return f'{name} {numbers[0]}'
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f'{name}s {numbers[0]} to {numbers[-1]}'
    return f'{name}s {", ".join(map(str, numbers))}'


def md_table(lines: Sequence[Sequence[str]]) -> str:
    """Format cells as a table in Markdown, the header first."""
    header, *body = [[cell.replace('|', '\\|').replace('\n', ' ') for cell in x] for x in lines]
    return '\n'.join(f'| {" | ".join(x)} |' for x in [header, ['---'] * len(header), *body])
