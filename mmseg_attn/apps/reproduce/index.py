"""List all tables, what has been run of each, and their main figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..markdown import md_table
from .results import main_figures
from .rows import RowResult
from .tables import PaperTable

_HEADING = """# Results

All tables that `tools/reproduce.py` knows. The figures of the pages are from recorded runs alone. A
command trains and tests what is missing of its table on all folds, and writes the page of the
table. See [how](../reproduce.md). Means of rows that were run on different folds cannot be
compared: the pages compare rows on the folds that both have.
"""


def index(
    tables: Mapping[str, PaperTable],
    results: Mapping[str, Sequence[RowResult]],
    commands: Mapping[str, str],
    folder: Path,
) -> str:
    """Return the page that lists the tables, with the main figures and the plot of those run.

    If the folder has ``nnunet.md``, the page of ``benchmarks/nnunet.py``, its beginning follows.

    Args:
        tables: The tables, by name.
        results: The rows of each table that may have been run.
        commands: The command that fills each table.
        folder: The folder of their pages.
    """
    header = ['table', 'title', 'rows run', 'rows x folds run', 'runs', 'command']
    rows, sections = [], []
    for name, table in tables.items():
        page = (folder / f'{name}.md').is_file()
        run = [result for result in results[name] if result.records]
        cells = [
            f'[{name}]({name}.md)' if page else name,
            table.title,
            f'{len(run)} of {len(table.rows)}',
            f'{sum(len(result.folds) for result in run)} of {len(table.rows) * table.folds}',
            sum(len(result.records) for result in run),
            f'`{commands[name]}`',
        ]
        rows.append(cells)
        if page and run:
            sections += [
                f'## {table.title}',
                f'[All figures, comparisons and runs]({name}.md)',
                main_figures(table, results[name]),
                f'![{table.title}]({name}.png)',
            ]
    if (page := folder / 'nnunet.md').is_file():
        beginning = page.read_text(encoding='utf-8').partition('\n## ')[0].rstrip()
        sections += [f'#{beginning}', f'[What the comparison can show]({page.name})']
    return '\n\n'.join([_HEADING.rstrip(), md_table(header, rows), *sections]) + '\n'
