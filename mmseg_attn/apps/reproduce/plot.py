"""Plot the records of a table, next to the paper's figures."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from .results import OURS, PAPER
from .rows import RowResult
from .tables import PaperTable


def plot(table: PaperTable, results: Sequence[RowResult]) -> Figure:
    """Plot our figures and those of the paper, with a panel per column and a line per row.

    The marker of a row that was not run on all folds is open.
    """
    width = 2.0 + 2.2 * len(table.columns)
    figure = Figure(figsize=(max(width, 6), 1.6 + 0.32 * len(results)), layout='constrained')
    panels = figure.subplots(1, len(table.columns), sharey=True, squeeze=False)[0]
    for i, (column, panel) in enumerate(zip(table.columns, panels, strict=True)):
        for y, result in enumerate(results):
            values, (mean, std) = result.values(column), result.measured(column)
            if (reported := result.row.reported(i)) is not None:
                panel.plot([reported] * 2, [y - 0.4, y + 0.4], color='0.35', lw=1.5)
            if len(values) > 1:
                panel.plot(values, [y] * len(values), '.', color='C0', ms=4, alpha=0.6)
            if mean is not None:
                fill = 'C0' if result.complete(table) else 'white'
                panel.errorbar(mean, y, xerr=std, fmt='D', color='C0', mfc=fill, ms=5, capsize=3)
        panel.set_title(column.name, fontsize='medium')
        panel.grid(axis='y', color='0.9')
        panel.margins(x=0.15)
    labels = [r.row.name if r.records else f'{r.row.name} (not run)' for r in results]
    panels[0].set_yticks(range(len(results)), labels)
    panels[0].set_ylim(len(results) - 0.5, -0.5)
    cut = any(result.plan.cut for result in results)
    several = any(len(result.records) > 1 for result in results)
    ours, handles = OURS + ' (mean ± standard deviation)' * several + ', cut' * cut, []
    of_all_folds = {result.complete(table) for result in results if result.records}
    for complete, fill, label in (
        (True, 'C0', ours),
        (False, 'white', f'{ours}, not on all folds'),
    ):
        if complete in of_all_folds:
            handles += panels[0].plot([], [], 'D', color='C0', mfc=fill, ms=5, label=label)
    if several:
        handles += panels[0].plot([], [], '.', color='C0', ms=4, alpha=0.6, label='single runs')
    if any(table.in_paper):
        handles += panels[0].plot([], [], '|', color='0.35', ms=12, mew=1.5, label=PAPER)
    figure.legend(handles=handles, loc='outside lower center', ncols=3, frameon=False)
    figure.suptitle(table.title)
    return figure
