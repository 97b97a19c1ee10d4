"""A table as a picture: the papers' figures and ours with signs of their own."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .report import OURS, PAPER, in_paper
from .result import Result
from .tables import Table


def plot(table: Table, results: Sequence[Result], file: Path) -> None:
    """Draw a panel per column and a line per row.

    Args:
        table: the table.
        results: its rows; only what has been measured is drawn.
        file: the picture.
    """
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
    panels[0].set_yticks(range(len(results)), [_label(result) for result in results])
    panels[0].set_ylim(len(results) - 0.5, -0.5)
    cut = any(result.plan.cut for result in results)
    signs = [panels[0].plot([], [], 'D', color='C0', ms=5, label=OURS + ', cut' * cut)[0]]
    if any(in_paper(table)):
        signs += panels[0].plot([], [], 'o', mfc='none', mec='0.35', ms=8, label=PAPER)
    figure.legend(handles=signs, loc='outside lower center', ncols=2, frameon=False)
    figure.suptitle(table.title)
    figure.savefig(file, dpi=150)


def _label(result: Result) -> str:
    return result.row.name + (f' ({result.status})' if result.status != 'finished' else '')
