"""What the data set converters share."""

from .archive import MAX_UNPACKED_GIB, unpack
from .cli import at_least, progress, run_cli
from .errors import ConversionError
from .images import read_gray8, write_png
from .output import Stage, fingerprint, staged_output
from .report import class_table, split_table
from .splits import make_folds, write_splits

__all__ = [
    'MAX_UNPACKED_GIB',
    'ConversionError',
    'Stage',
    'at_least',
    'class_table',
    'fingerprint',
    'make_folds',
    'progress',
    'read_gray8',
    'run_cli',
    'split_table',
    'staged_output',
    'unpack',
    'write_png',
    'write_splits',
]
