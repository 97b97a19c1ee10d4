"""Read the tables of the papers from ``configs/tables.yaml``."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric of a table.

    Args:
        name: Its heading.
        metric: Its name in the log.
        decimals: Number of decimals that the paper prints.
        scale: Factor from the metric to the unit of the paper.
    """

    name: str
    metric: str
    decimals: int = 2
    scale: float = 1.0

    def text(self, value: float) -> str:
        """Format a value in the unit of the paper."""
        return f'{value:.{self.decimals}f}'


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One row of a table.

    Args:
        name: Its heading.
        config: Its config file under ``configs``, without ``.py``.
        options: Its changes to the config, by dotted key.
        paper: The figures of the paper, in the order of the columns; may be shorter.
        note: A remark.
    """

    name: str
    config: str
    options: dict[str, Any] = field(default_factory=dict)
    paper: tuple[float, ...] = ()
    note: str = ''

    @property
    def slug(self) -> str:
        """The name in lower case with hyphens, for the command line."""
        words = re.sub(r'(?<=\S)\+', ' plus', self.name.lower())  # U-Net++, but not U-Net + x
        return '-'.join(re.findall(r'[a-z0-9.]+', words))

    def reported(self, column: int) -> float | None:
        """Return the figure of the paper in a column."""
        return self.paper[column] if column < len(self.paper) else None


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of a paper, or one of the same kind with a protocol of ours.

    Args:
        name: Its name: that on the command line and, unless it is the paper's, the protocol.
        title: Its heading.
        split: The split that is measured, ``val`` or ``test``.
        checkpoint: The checkpoint that is measured, ``best`` or ``last``.
        columns: Its metrics, the main one first.
        rows: Its rows.
        paper: The source of the paper's figures; empty if there are none.
        folds: Number of folds of its dataset.
        notes: Sentences under the heading.
        options: Changes to the configs of all rows, by dotted key.
        baselines: Names of the rows that the proposals are compared with.
        proposals: Names of the rows that are compared with the baselines.
    """

    name: str
    title: str
    split: str
    checkpoint: str
    columns: tuple[Column, ...]
    rows: tuple[PaperRow, ...]
    paper: str = ''
    folds: int = 1
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()

    @property
    def in_paper(self) -> list[bool]:
        """Whether the paper has figures, for each column."""
        return [
            any(row.reported(i) is not None for row in self.rows) for i in range(len(self.columns))
        ]


def load_tables(file: Path) -> dict[str, PaperTable]:
    """Read all tables.

    Returns:
        The tables by name.
    """
    tables = {}
    for name, content in yaml.safe_load(file.read_text(encoding='utf-8')).items():
        columns = tuple(Column(**column) for column in content.pop('columns'))
        rows = tuple(
            PaperRow(name=row, **dict(values, paper=tuple(values.get('paper', ()))))
            for row, values in content.pop('rows').items()
        )
        lists = {k: tuple(v) for k, v in content.items() if isinstance(v, list)}
        tables[name] = PaperTable(name=name, columns=columns, rows=rows, **content | lists)
    return tables
