"""Write the records of a table as Markdown and CSV, next to the paper's figures."""

import csv
import io
from collections.abc import Sequence

from ..markdown import md_table
from ..runs import Record
from .comparisons import compare_rows
from .rows import RowResult
from .tables import Column, PaperTable

PAPER, OURS = 'reported by the paper', 'measured here'
_MARK = ' \\*'  # of a row whose code has changed
_LISTED = 3  # changed files of a row
_VALIDATION = (
    '\n\nValidation: the mIoU on the validation split after each quarter of the training. It tells '
    'how fast a model learns. Older records do not have it.'
)


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
    parts += filter(None, [compare_rows(table, results), other_splits])
    parts += ['## Rows', _rows(table, results)]
    parts += ['## Runs', _runs(table, results, records)]
    parts += ['## Measurement', f'```shell\n{command}\n```', _conditions(table, results)]
    return '\n\n'.join(parts) + '\n'


def main_figures(table: PaperTable, results: Sequence[RowResult]) -> str:
    """Return a table in Markdown of the main metric of the rows that were run."""
    column = table.columns[0]
    header = [PAPER] if table.in_paper[0] else []
    header = ['model', *(f'{column.name}, {kind}' for kind in [*header, OURS]), 'runs']
    rows = [[r.row.name, *_cells(table, r, 0), r.runs] for r in results if r.records]
    return md_table(header, rows)


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
    header += ['parameters (M)', 'GFLOPs per image', 's per iteration']
    rows = []
    for result in results:
        cells = [result.row.name + (_MARK if result.changed else '')]
        for i in range(len(table.columns)):
            cells += _cells(table, result, i)
        first = result.records[0] if result.records else None
        cells.append(f'{first.parameters / 1e6:.2f}' if first and first.parameters else '')
        cells.append(f'{first.flops / 1e9:.2f}' if first and first.flops else '')
        cells.append('' if result.seconds is None else f'{result.seconds:.3g}')
        rows.append(cells)
    return md_table(header, rows)


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


def _rows(table: PaperTable, results: Sequence[RowResult]) -> str:
    rows = []
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
        rows.append(cells)
    return md_table(['model', 'config', 'runs', 'remarks'], rows)


def _changed(files: Sequence[str]) -> str:
    """List the first files that were changed."""
    more = f' and {len(files) - _LISTED} more' if len(files) > _LISTED else ''
    return f'changed since: {", ".join(files[:_LISTED])}{more}' if files else ''


def _runs(table: PaperTable, results: Sequence[RowResult], folder: str) -> str:
    """List the records, which the figures are from."""
    column = table.columns[0]
    header = ['model', 'fold', 'seed', column.name, 'checkpoint', 'training', 'record']
    known = any(_validations(record) for result in results for record in result.records)
    header += ['validation'] * known
    rows = []
    for result in results:
        for record in result.records:
            value = record.scores.get(column.metric)
            figure = '' if value is None else column.text(value * column.scale)
            minutes = f'{record.seconds["training"] / 60:.1f} min'
            link = f'[{record.name}]({folder}/{record.name})'
            cells = [result.row.name, record.fold, record.seed, figure]
            cells += [record.checkpoint, minutes, link]
            rows.append([*cells, _validations(record)] if known else cells)
    return md_table(header, rows) + _VALIDATION * known if rows else 'Nothing has been run yet.'


def _validations(record: Record) -> str:
    """Return the mIoU after each quarter of the training; empty if there were fewer validations."""
    curve = [(int(step), value) for step, value in record.validations.items()]
    if len(curve) < 4:
        return ''
    end, _ = curve[-1]
    quarters = (next(v for step, v in curve if step >= i * end / 4) for i in range(1, 5))
    return ', '.join(f'{value:.1f}' for value in quarters)


def _conditions(table: PaperTable, results: Sequence[RowResult]) -> str:
    records = [record for result in results for record in result.records]
    common = ' '.join(f'{key}={value}' for key, value in table.options.items())
    others = '; '.join(result.row.name for result in results if result.row.own_protocol)
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
            which = f' ({"; ".join(rows)})' if len(groups) > 1 else ''
            lines.append(f'- {name}{which}: {text}')
    return '\n'.join(lines)
