"""What the dataset converters and all readers of files share."""

from .archive import MAX_UNPACKED_GIB, unpack
from .cli import at_least, progress, run_cli
from .decoded import DecodedImage
from .dicom import dicom_series, open_dicom, read_dicom
from .images import decode_image, explain, read_gray8, read_image, read_images, write_png
from .intensities import Window, ct_window, percentile_window, to_bytes
from .nifti import NiftiHeader, open_nifti, read_nifti
from .output import Stage, fingerprint, staged_output
from .pairs import Pair, find_cases
from .placement import check_placement
from .report import class_table, split_table
from .slices import is_dicom, is_nifti, read_slices, stem
from .splits import make_folds, write_splits
from .tiff_tags import description, first_tags, is_tiff
from .words import counted

__all__ = [
    'MAX_UNPACKED_GIB',
    'DecodedImage',
    'NiftiHeader',
    'Pair',
    'Stage',
    'Window',
    'at_least',
    'check_placement',
    'class_table',
    'counted',
    'ct_window',
    'decode_image',
    'description',
    'dicom_series',
    'explain',
    'find_cases',
    'fingerprint',
    'first_tags',
    'is_dicom',
    'is_nifti',
    'is_tiff',
    'make_folds',
    'open_dicom',
    'open_nifti',
    'percentile_window',
    'progress',
    'read_dicom',
    'read_gray8',
    'read_image',
    'read_images',
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
