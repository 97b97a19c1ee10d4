"""List all tables, and what has been run of each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .results import RowResult, md_table
from .tables import PaperTable

_HEADING = """# Results

All tables that `tools/reproduce.py` knows. The figures of the pages are from recorded runs alone. A
command trains and tests what is missing of its table on all folds, and writes the page of the
table. See [how](../reproduce.md).
"""


def index(
    tables: Mapping[str, PaperTable],
    results: Mapping[str, Sequence[RowResult]],
    commands: Mapping[str, str],
    folder: Path,
) -> str:
    """Return the page that lists the tables.

    Args:
        tables: The tables, by name.
        results: The rows of each table that may have been run.
        commands: The command that fills each table.
        folder: The folder of their pages.
    """
    lines = [['table', 'title', 'run', 'command']]
    for name, table in tables.items():
        runs = [len(result.records) for result in results[name] if result.records]
        folds = {record.fold for result in results[name] for record in result.records}
        of_folds = f', {len(folds)} of {table.folds} folds' if table.folds > 1 else ''
        cells = [
            f'[{name}]({name}.md)' if (folder / f'{name}.md').is_file() else name,
            table.title,
            f'{len(runs)} of {len(table.rows)} rows{of_folds}, runs: {sum(runs)}' if runs else 'no',
            f'`{commands[name]}`',
        ]
        lines.append(cells)
    return f'{_HEADING}\n{md_table(lines)}\n'
