"""Convert released datasets to the layout of this package."""

from .pairs import Pair, find_cases, match
from .report import class_table, split_table
from .splits import make_folds, write_splits

__all__ = [
    'Pair',
    'class_table',
    'find_cases',
    'make_folds',
    'match',
    'split_table',
    'write_splits',
]
