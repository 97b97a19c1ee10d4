"""Format Markdown."""

from collections.abc import Iterable, Sequence


def md_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Format a table."""
    lines = [_line(header), _line(['---'] * len(header)), *map(_line, rows)]
    return '\n'.join(lines)


def _line(cells: Iterable[object]) -> str:
    texts = (str(cell).replace('|', '\\|').replace('\n', ' ') for cell in cells)
    return f'| {" | ".join(texts)} |'
