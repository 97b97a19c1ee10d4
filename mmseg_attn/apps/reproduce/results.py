"""Write the results of a table as Markdown, CSV and plot, next to the paper's figures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from ..runs import summarize
from .plan import Plan
from .tables import Column, PaperRow, PaperTable

_PAPER, _OURS = 'reported by the paper', 'measured here'


@dataclass(frozen=True)
class RowResult:
    """The results of a row; all empty or ``None`` if it has not been run.

    Args:
        plan: The plan of the row.
        states: The state of each fold.
        summary: Mean and deviation of each metric over the finished folds.
        finished: Number of finished folds.
    """

    plan: Plan
    states: list[dict] = field(default_factory=list)
    summary: dict[str, dict] = field(default_factory=dict)
    finished: int = 0

    @property
    def row(self) -> PaperRow:
        """The row."""
        return self.plan.row

    @property
    def failures(self) -> list[str]:
        """The errors of the row and its folds."""
        failed = [state['failed'] for state in self.states if 'failed' in state]
        return [*([self.plan.error] if self.plan.error else []), *failed]

    @property
    def status(self) -> str:
        """'finished', 'partly run', 'not run' or 'failed'."""
        if self.failures:
            return 'failed'
        if self.finished == len(self.plan.jobs) > 0:
            return 'finished'
        return 'partly run' if self.finished else 'not run'

    def measured(self, column: Column) -> tuple[float | None, float | None]:
        """Return mean and standard deviation in the unit of the paper."""
        values = self.summary.get(column.metric, {})
        mean, std = values.get('mean'), values.get('std')
        scaled = [None if value is None else value * column.scale for value in (mean, std)]
        return scaled[0], scaled[1]

    @property
    def seconds(self) -> float | None:
        """Seconds per training iteration, the mean over the folds."""
        times = [state.get('seconds_per_iteration') for state in self.states]
        known = [time for time in times if time is not None]
        return sum(known) / len(known) if known else None


def collect(table: PaperTable, plans: Sequence[Plan]) -> list[RowResult]:
    """Read the results of the runs."""
    results = []
    for plan in plans:
        states, metrics = [job.state() for job in plan.jobs], []
        for state in states:
            if table.split in state.get('metrics', {}):
                metrics.append(state['metrics'][table.split])
                state.pop('failed', None)  # of the split of another table
        results.append(RowResult(plan, states, summarize(metrics), len(metrics)))
    return results


def markdown(table: PaperTable, results: Sequence[RowResult], *, command: str, image: str) -> str:
    """Return the page of a table, with the command that creates it and the file of its plot."""
    parts = [f'# {table.title}', ' '.join([*_preface(table, results), *table.notes])]
    parts.append(_figures(table, results))
    if any(result.status in ('not run', 'partly run') for result in results):
        parts.append('Empty cells have not been run yet.')
    parts += [f'![{table.title}]({image})', '## Rows', _rows(table, results)]
    parts += ['## Measurement', f'```shell\n{command}\n```', _conditions(table, results)]
    return '\n\n'.join(parts) + '\n'


def to_csv(table: PaperTable, results: Sequence[RowResult]) -> str:
    """Return the table as CSV with six digits; a cell without a figure is empty."""
    header = ['model', 'config', 'options', 'state', 'folds', 'training']
    for column, in_paper in zip(table.columns, table.in_paper, strict=True):
        kinds = [*([_PAPER] if in_paper else []), _OURS, f'{_OURS}, sd']
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
            cells += [row.reported(i)] if table.in_paper[i] else []
            cells += [x if x is None else f'{x:.6g}' for x in result.measured(column)]
        cells += [*(result.plan.complexity or (None, None)), result.seconds]
        writer.writerow([*cells, '; '.join(result.failures)])
    return stream.getvalue()


def plot(table: PaperTable, results: Sequence[RowResult]) -> Figure:
    """Plot our figures and those of the paper, with a panel per column and a line per row."""
    width = 2.0 + 2.2 * len(table.columns)
    figure = Figure(figsize=(max(width, 6), 1.6 + 0.32 * len(results)), layout='constrained')
    panels = figure.subplots(1, len(table.columns), sharey=True, squeeze=False)[0]
    for i, (column, panel) in enumerate(zip(table.columns, panels, strict=True)):
        for y, result in enumerate(results):
            reported, (mean, std) = result.row.reported(i), result.measured(column)
            if reported is not None:
                panel.plot(reported, y, 'o', mfc='none', mec='0.35', ms=8)
            if mean is not None:
                panel.errorbar(mean, y, xerr=std, fmt='D', color='C0', ms=5, capsize=3)
        panel.set_title(column.name, fontsize='medium')
        panel.grid(axis='y', color='0.9')
        panel.margins(x=0.15)
    states = [f' ({r.status})' if r.status != 'finished' else '' for r in results]
    labels = [result.row.name + state for result, state in zip(results, states, strict=True)]
    panels[0].set_yticks(range(len(results)), labels)
    panels[0].set_ylim(len(results) - 0.5, -0.5)
    cut = any(result.plan.cut for result in results)
    handles = [panels[0].plot([], [], 'D', color='C0', ms=5, label=_OURS + ', cut' * cut)[0]]
    if any(table.in_paper):
        handles += panels[0].plot([], [], 'o', mfc='none', mec='0.35', ms=8, label=_PAPER)
    figure.legend(handles=handles, loc='outside lower center', ncols=2, frameon=False)
    figure.suptitle(table.title)
    return figure


def _preface(table: PaperTable, results: Sequence[RowResult]) -> list[str]:
    if table.paper:
        first = f'"{_PAPER.capitalize()}": {table.paper}. "{_OURS.capitalize()}": this package.'
    else:
        first = 'All figures were measured here.'
    sentences = [first]
    folds = max(len(result.plan.jobs) for result in results)
    if folds < table.folds:
        sentences.append(
            f'**Our figures are for {_folds(table, folds)}** instead of the mean over all folds.'
        )
    cuts = dict.fromkeys(result.plan.cut for result in results if result.plan.cut)
    if cuts:
        sentences.append(
            f'**Our trainings are {"; ".join(cuts)}**, with the beginning of the whole learning '
            'rate schedule, so the figures cannot be compared with those of the whole training.'
        )
    return sentences


def _folds(table: PaperTable, number: int) -> str:
    return f'{"fold 0" if number == 1 else f"folds 0 to {number - 1}"} of {table.folds}'


def _figures(table: PaperTable, results: Sequence[RowResult]) -> str:
    header = ['model']
    for column, in_paper in zip(table.columns, table.in_paper, strict=True):
        header += [f'{column.name}, {_PAPER}'] if in_paper else []
        header.append(f'{column.name}, {_OURS}' if table.paper else column.name)
    lines = [[*header, 'parameters (M)', 'GFLOPs per image', 's per iteration']]
    for result in results:
        cells = [result.row.name]
        for i, column in enumerate(table.columns):
            if table.in_paper[i]:
                figure = result.row.reported(i)
                cells.append('' if figure is None else column.text(figure))
            cells.append(_measured(result, column))
        cost = result.plan.complexity
        cells += ['', ''] if cost is None else [f'{cost[0] / 1e6:.2f}', f'{cost[1] / 1e9:.2f}']
        cells.append('' if result.seconds is None else f'{result.seconds:.3g}')
        lines.append(cells)
    return _table(lines)


def _measured(result: RowResult, column: Column) -> str:
    mean, std = result.measured(column)
    if mean is None:
        return 'not defined' if result.finished else 'failed' if result.failures else ''
    return column.text(mean) + ('' if std is None else f' ± {column.text(std)}')


def _rows(table: PaperTable, results: Sequence[RowResult]) -> str:
    lines = [['model', 'config', 'state', 'checkpoint', 'remarks']]
    for result in results:
        row, plan, state = result.row, result.plan, result.status
        options = ''.join(f', `{key}={value}`' for key, value in row.options.items())
        tested = [state.get('checkpoints', {}).get(table.split) for state in result.states]
        resumed = sum(state.get('resumed', 0) for state in result.states)
        remarks = [
            row.note,
            f'starts from {plan.weights}' if plan.weights else '',
            plan.cut if state != 'not run' else '',
            *(f'failed: {reason}' for reason in result.failures),
            f'interruptions: {resumed}' if resumed else '',
        ]
        if len(plan.jobs) > 1:
            state += f', {result.finished} of {len(plan.jobs)} folds'
        elif table.folds > 1 and result.finished:
            state += f', {_folds(table, len(plan.jobs))}'
        checkpoints, remarks = ', '.join(filter(None, tested)), '; '.join(filter(None, remarks))
        lines.append([row.name, f'`{row.config}`{options}', state, checkpoints, remarks])
    return _table(lines)


def _conditions(table: PaperTable, results: Sequence[RowResult]) -> str:
    machines: dict[tuple, list[str]] = {}
    dates, seeds = set(), set()
    for result in results:
        for state in result.states:
            if 'environment' in state:
                rows = machines.setdefault(tuple(state['environment'].items()), [])
                rows += [] if result.row.name in rows else [result.row.name]
                seeds.add(str(state['seed']))
            dates |= {state['date']} if 'date' in state else set()
    lines = [
        f'- measured on the {table.split} split, with the {table.checkpoint} checkpoint'
        + (' (by mIoU on the validation split)' if table.checkpoint == 'best' else ''),
        '- FLOPs: for one image of the size at the end of the name of the config; a multiply-add '
        'is two FLOPs; parameters: including auxiliary heads; seconds per iteration: the median of '
        'the logged values',
    ]
    if not machines:
        return '\n'.join([*lines, '- nothing has been run yet'])
    lines.append(f'- seed: {", ".join(sorted(seeds))}')
    if dates:
        lines.append(f'- date: {" to ".join(dict.fromkeys((min(dates), max(dates))))}')
    for machine, rows in machines.items():
        which = f' ({", ".join(rows)})' if len(machines) > 1 else ''
        lines += [f'- {name}{which}: {value}' for name, value in machine]
    return '\n'.join(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    header, *body = [[cell.replace('|', '\\|').replace('\n', ' ') for cell in x] for x in lines]
    return '\n'.join(f'| {" | ".join(x)} |' for x in [header, ['---'] * len(header), *body])
