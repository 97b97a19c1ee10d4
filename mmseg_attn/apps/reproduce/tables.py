"""The papers' tables as data, ``configs/tables.yaml``."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric of a table.

    Args:
        name: its heading.
        metric: its name in the log.
        decimals: how many the paper prints.
        scale: what turns the metric into the paper's unit.
    """

    name: str
    metric: str
    decimals: int = 2
    scale: float = 1.0

    def text(self, value: float) -> str:
        """Print a figure that has the paper's unit."""
        return f'{value:.{self.decimals}f}'


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table.

    Args:
        name: its heading.
        config: file of its config under ``configs``, without ``.py``.
        options: what it changes in the config, by dotted key.
        paper: the paper's figures, in the order of the columns; missing where it has none.
        note: a remark.
    """

    name: str
    config: str
    options: dict[str, Any] = field(default_factory=dict)
    paper: tuple[float, ...] = ()
    note: str = ''

    @property
    def slug(self) -> str:
        """The name, easy to type."""
        words = re.sub(r'(?<=\S)\+', ' plus', self.name.lower())  # U-Net++, but not U-Net + x
        return '-'.join(re.findall(r'[a-z0-9.]+', words))

    def reported(self, column: int) -> float | None:
        """The paper's figure in a column."""
        return self.paper[column] if column < len(self.paper) else None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a paper, or the reduced protocol of one.

    Args:
        name: what it is called on the command line.
        title: its heading.
        split: ``val`` or ``test``, where our figures are measured.
        checkpoint: ``best`` or ``last``, which one is measured.
        columns: its metrics, the main one first.
        rows: its lines.
        paper: where the paper's figures are from; empty for a reduced protocol.
        folds: number of folds of its data.
        notes: sentences under the heading.
    """

    name: str
    title: str
    split: str
    checkpoint: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    paper: str = ''
    folds: int = 1
    notes: tuple[str, ...] = ()


def load_tables(file: Path) -> dict[str, Table]:
    """Read all tables.

    Returns:
        The tables by name.
    """
    tables = {}
    for name, content in yaml.safe_load(file.read_text()).items():
        columns = tuple(Column(**column) for column in content.pop('columns'))
        rows = tuple(
            Row(name=row, **dict(values, paper=tuple(values.get('paper', ()))))
            for row, values in content.pop('rows').items()
        )
        notes = tuple(content.pop('notes', ()))
        tables[name] = Table(name=name, columns=columns, rows=rows, notes=notes, **content)
    return tables
