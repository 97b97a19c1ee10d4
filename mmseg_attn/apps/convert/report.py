"""Format the tables that a converter prints."""

from collections.abc import Mapping, Sequence

from .splits import Split


def split_table(folds: Mapping[str, Split]) -> str:
    """Format the number of images per split."""
    rows = [('split', 'train', 'val', 'test')]
    rows += [
        (fold, *(str(len(split[name])) for name in ('train', 'val', 'test')))
        for fold, split in folds.items()
    ]
    return _table(rows)


def class_table(classes: Sequence[str], pixels: Sequence[int]) -> str:
    """Format the number and percentage of pixels per class."""
    total = max(sum(pixels), 1)
    rows = [('class', 'pixels', 'percent')]
    rows += [
        (name, str(count), f'{100 * count / total:.2f}')
        for name, count in zip(classes, pixels, strict=True)
    ]
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join(
        '  '.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
