"""Read and write files: images, TIFF, DICOM, NIfTI, archives, atomic and staged output."""

from .archive import MAX_UNPACKED_GIB, unpack
from .atomic import atomic_path, write_file
from .decoded import DecodedImage
from .dicom import dicom_series, open_dicom, read_dicom
from .finite import check_finite, is_finite
from .images import decode_image, explain, read_gray8, read_image, read_images, write_png
from .intensities import Window, ct_window, percentile_window, to_bytes
from .nifti import NiftiHeader, open_nifti, read_nifti
from .output import Stage, checksum, fingerprint, read_manifest, staged_output
from .placement import check_placement
from .slices import is_dicom, is_nifti, read_slices, stem
from .spacing import slice_spacing
from .tiff_tags import description, first_tags, is_tiff, select_page
from .words import counted

__all__ = [
    'MAX_UNPACKED_GIB',
    'DecodedImage',
    'NiftiHeader',
    'Stage',
    'Window',
    'atomic_path',
    'check_finite',
    'check_placement',
    'checksum',
    'counted',
    'ct_window',
    'decode_image',
    'description',
    'dicom_series',
    'explain',
    'fingerprint',
    'first_tags',
    'is_dicom',
    'is_finite',
    'is_nifti',
    'is_tiff',
    'open_dicom',
    'open_nifti',
    'percentile_window',
    'read_dicom',
    'read_gray8',
    'read_image',
    'read_images',
    'read_manifest',
    'read_nifti',
    'read_slices',
    'select_page',
    'slice_spacing',
    'staged_output',
    'stem',
    'to_bytes',
    'unpack',
    'write_file',
    'write_png',
]
