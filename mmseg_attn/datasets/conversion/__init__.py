"""What the data set converters share."""

from .archive import MAX_UNPACKED_GIB, unpack
from .cli import at_least, progress, run_cli
from .errors import ConversionError
from .images import decode_image, read_gray8, write_png
from .output import Stage, fingerprint, staged_output
from .pairs import Pair, find_cases
from .report import class_table, split_table
from .slices import is_dicom, read_slices
from .splits import make_folds, write_splits
from .volumes import dicom_series, read_dicom, read_nifti

__all__ = [
    'MAX_UNPACKED_GIB',
    'ConversionError',
    'Pair',
    'Stage',
    'at_least',
    'class_table',
    'decode_image',
    'dicom_series',
    'find_cases',
    'fingerprint',
    'is_dicom',
    'make_folds',
    'progress',
    'read_dicom',
    'read_gray8',
    'read_nifti',
    'read_slices',
    'run_cli',
    'split_table',
    'staged_output',
    'unpack',
    'write_png',
    'write_splits',
]
