"""A table as text with marks, whatever it is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NONE = '–'
SHADES = (247, 8), (251, 81), (255, 156)  # red, green and blue of no share and of all


@dataclass
class Cell:
    """A figure as text.

    Attributes:
        text: The figure.
        best: Whether it is the best of its row.
        shade: How dark its ground is, from 0 to 1; ``None`` for no shade.
    """

    text: str
    best: bool = False
    shade: float | None = None

    @property
    def style(self) -> str:
        """The colors of the shade, which are the same on a light and a dark page."""
        ground = (round(light + self.shade * (dark - light)) for light, dark in SHADES)
        ink = '#fff' if self.shade > 0.55 else '#111'
        return f'background:rgb({" ".join(map(str, ground))});color:{ink}'


@dataclass
class Row:
    """A line of a table.

    Attributes:
        name: What it is about.
        cells: Its figures.
        kind: 'class', 'mean' or nothing.
        span: Whether its one cell stands for all columns.
    """

    name: str
    cells: list[Cell]
    kind: str = ''
    span: bool = False


@dataclass
class Table:
    """A table with the names of its columns, if any; the first is that of the rows."""

    caption: str
    header: list[str]
    rows: list[Row] = field(default_factory=list)


def marked(
    texts: Sequence[str], values: Sequence[float | None], *, rank: bool = True
) -> list[Cell]:
    """Cells of which the largest value is marked, if there are others and ``rank`` allows it."""
    if not rank:
        return [Cell(text) for text in texts]
    known = [round(value, 2) for value in values if value is not None]
    best = max(known) if len(set(known)) > 1 else None
    pairs = zip(texts, values, strict=True)
    return [Cell(text, value is not None and round(value, 2) == best) for text, value in pairs]


def percent(value: float | None) -> str:
    """Two decimals."""
    return NONE if value is None else f'{value:.2f}'


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
