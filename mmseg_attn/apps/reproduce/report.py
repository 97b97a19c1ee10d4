"""A table as Markdown and CSV, the papers' figures beside ours."""

import csv
import io
from collections.abc import Sequence

from .result import Result
from .tables import Column, Table

PAPER, OURS = 'reported by the paper', 'measured here'


def in_paper(table: Table) -> list[bool]:
    """Which columns the paper has figures for."""
    return [
        any(row.reported(i) is not None for row in table.rows) for i in range(len(table.columns))
    ]


def markdown(table: Table, results: Sequence[Result], *, command: str, picture: str) -> str:
    """Write the page of a table.

    Args:
        table: the table.
        results: its rows.
        command: what makes this page.
        picture: name of the plot beside the page.
    """
    parts = [f'# {table.title}', ' '.join([*_preface(table, results), *table.notes])]
    parts.append(_figures(table, results))
    if any(result.status in ('not run', 'partly run') for result in results):
        parts.append('An empty cell: not run yet.')
    parts += [f'![{table.title}]({picture})', '## Rows', _rows(table, results)]
    parts += ['## How it was measured', f'```shell\n{command}\n```', _circumstances(table, results)]
    return '\n\n'.join(parts) + '\n'


def _preface(table: Table, results: Sequence[Result]) -> list[str]:
    said = []
    if table.paper:
        said.append(f'"{PAPER.capitalize()}": {table.paper}. "{OURS.capitalize()}": this package.')
    else:
        said.append('All figures were measured here.')
    folds = max(len(result.plan.runs) for result in results)
    if folds < table.folds:
        said.append(f'**Our figures are of {_folds(table, folds)}**, not the mean of all.')
    cuts = dict.fromkeys(result.plan.cut for result in results if result.plan.cut)
    if cuts:
        said.append(
            f'**The trainings here are {"; ".join(cuts)}**, with the beginning of the whole '
            'schedule of the learning rate: not comparable with figures of the whole training.'
        )
    return said


def _folds(table: Table, number: int) -> str:
    which = 'fold 0' if number == 1 else f'folds 0 to {number - 1}'
    return f'{which} of {table.folds}'


def _figures(table: Table, results: Sequence[Result]) -> str:
    header = ['model']
    for column, reported in zip(table.columns, in_paper(table), strict=True):
        header += [f'{column.name}, {PAPER}'] if reported else []
        header.append(f'{column.name}, {OURS}' if table.paper else column.name)
    lines = [[*header, 'parameters (M)', 'GFLOPs per image', 's per iteration']]
    for result in results:
        cells = [result.row.name]
        for i, column in enumerate(table.columns):
            if in_paper(table)[i]:
                figure = result.row.reported(i)
                cells.append('' if figure is None else column.text(figure))
            cells.append(_measured(result, column))
        cost = result.plan.complexity
        cells += ['', ''] if cost is None else [f'{cost[0] / 1e6:.2f}', f'{cost[1] / 1e9:.2f}']
        cells.append('' if result.seconds is None else f'{result.seconds:.3g}')
        lines.append(cells)
    return _table(lines)


def _measured(result: Result, column: Column) -> str:
    mean, std = result.measured(column)
    if mean is None:
        return 'not defined' if result.finished else 'failed' if result.failures else ''
    return column.text(mean) + ('' if std is None else f' ± {column.text(std)}')


def _rows(table: Table, results: Sequence[Result]) -> str:
    lines = [['model', 'config', 'state', 'checkpoint', 'remarks']]
    for result in results:
        row, folds = result.row, len(result.plan.runs)
        options = ''.join(f', `{key}={value}`' for key, value in row.options.items())
        tested = [state.get('checkpoints', {}).get(table.split) for state in result.states]
        checkpoints = ', '.join(name for name in tested if name)
        cut = result.plan.cut if result.status != 'not run' else ''
        weights = f'starts from {result.plan.weights}' if result.plan.weights else ''
        remarks = [row.note, weights, cut, *(f'failed: {why}' for why in result.failures)]
        resumed = sum(state.get('resumed', 0) for state in result.states)
        if resumed:
            remarks.append(f'interruptions: {resumed}')
        state = result.status
        if folds > 1:
            state += f', {result.finished} of {folds} folds'
        elif table.folds > 1 and result.finished:
            state += f', {_folds(table, folds)}'
        shown = '; '.join(remark for remark in remarks if remark)
        lines.append([row.name, f'`{row.config}`{options}', state, checkpoints, shown])
    return _table(lines)


def _circumstances(table: Table, results: Sequence[Result]) -> str:
    machines: dict[tuple, list[str]] = {}
    dates, seeds = set(), set()
    for result in results:
        for state in result.states:
            if 'environment' in state:
                rows = machines.setdefault(tuple(state['environment'].items()), [])
                rows += [] if result.row.name in rows else [result.row.name]
                seeds.add(str(state['seed']))
            dates |= {state['date']} if 'date' in state else set()
    said = [
        f'- measured on the {table.split} split, with the {table.checkpoint} checkpoint'
        + (' (by mIoU on the validation split)' if table.checkpoint == 'best' else ''),
        '- FLOPs: of one image of the size at the end of the name of the config, a multiply-add is '
        'two; parameters: of auxiliary heads too; seconds per iteration: the median of what the '
        'training logged',
    ]
    if not machines:
        return '\n'.join([*said, '- nothing has been run yet'])
    said.append(f'- seed: {", ".join(sorted(seeds))}')
    if dates:
        said.append(f'- date: {" to ".join(dict.fromkeys((min(dates), max(dates))))}')
    for machine, rows in machines.items():
        who = f' ({", ".join(rows)})' if len(machines) > 1 else ''
        said += [f'- {name}{who}: {value}' for name, value in machine]
    return '\n'.join(said)


def _table(lines: Sequence[Sequence[str]]) -> str:
    header, *body = [[cell.replace('|', '\\|').replace('\n', ' ') for cell in x] for x in lines]
    return '\n'.join(f'| {" | ".join(x)} |' for x in [header, ['---'] * len(header), *body])


def to_csv(table: Table, results: Sequence[Result]) -> str:
    """Write the table with six digits; a cell is empty where there is no figure."""
    header = ['model', 'config', 'options', 'state', 'folds', 'training']
    for column, reported in zip(table.columns, in_paper(table), strict=True):
        kinds = [*([PAPER] if reported else []), OURS, f'{OURS}, sd']
        header += [f'{column.name}, {kind}' for kind in kinds]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow([*header, 'parameters', 'FLOPs', 'seconds per iteration', 'failure'])
    for result in results:
        row = result.row
        options = ' '.join(f'{key}={value}' for key, value in row.options.items())
        training = result.plan.cut or 'whole'
        cells = [row.name, row.config, options, result.status, result.finished, training]
        for i, column in enumerate(table.columns):
            cells += [row.reported(i)] if in_paper(table)[i] else []
            cells += [x if x is None else f'{x:.6g}' for x in result.measured(column)]
        cells += [*(result.plan.complexity or (None, None)), result.seconds]
        writer.writerow([*cells, '; '.join(result.failures)])
    return stream.getvalue()
