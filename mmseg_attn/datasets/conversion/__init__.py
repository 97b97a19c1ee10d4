"""What the data set converters share."""

from .archive import MAX_UNPACKED_GIB, unpack
from .cli import at_least, progress, run_cli
from .errors import ConversionError
from .images import count_pages, decode_image, open_image, read_gray8, write_png
from .intensities import Window, ct_window, percentile_window, to_bytes
from .output import Stage, fingerprint, staged_output
from .pairs import Pair, find_cases
from .report import class_table, split_table
from .slices import is_dicom, is_nifti, read_slices, stem
from .splits import make_folds, write_splits
from .volumes import check_axes, dicom_series, read_dicom, read_nifti

__all__ = [
    'MAX_UNPACKED_GIB',
    'ConversionError',
    'Pair',
    'Stage',
    'Window',
    'at_least',
    'check_axes',
    'class_table',
    'count_pages',
    'ct_window',
    'decode_image',
    'dicom_series',
    'find_cases',
    'fingerprint',
    'is_dicom',
    'is_nifti',
    'make_folds',
    'open_image',
    'percentile_window',
    'progress',
    'read_dicom',
    'read_gray8',
    'read_nifti',
    'read_slices',
    'run_cli',
    'split_table',
    'staged_output',
    'stem',
    'to_bytes',
    'unpack',
    'write_png',
    'write_splits',
]
