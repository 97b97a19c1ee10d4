"""Read grey slices from any of the usual files."""

from pathlib import Path

import numpy as np

from .errors import ConversionError
from .images import decode_image
from .volumes import read_dicom, read_nifti

JPEG, NIFTI, DICOM = ('.jpg', '.jpeg'), ('.nii.gz', '.nii'), ('.dcm', '.dicom')
PICTURES = ('.png', '.tif', '.tiff', *JPEG)
SUFFIXES = (*PICTURES, *DICOM, *NIFTI)


def read_slices(path: Path, *, mask: bool = False) -> np.ndarray:
    """Read a PNG, JPEG, TIFF, DICOM or NIfTI file.

    Args:
        path: The file.
        mask: Whether it holds labels, which lossy compression would change.

    Returns:
        The grey values, (slices, H, W) in the type of the file.

    Raises:
        ConversionError: If the file is damaged, of an unknown type, in colour, or a lossy mask.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    if is_nifti(path):
        return read_nifti(path).T  # slice k is volume[:, :, k].T
    if name.endswith(PICTURES):
        if mask and name.endswith(JPEG):
            raise ConversionError(
                f'{path} is a JPEG, whose losses change labels: give the original mask'
            )
        formats = ('JPEG',) if name.endswith(JPEG) else ('PNG', 'TIFF')
        pixels, mode = decode_image(path.read_bytes(), name=path, formats=formats)
        if mode == 'RGB' and not mask and (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]  # grey that was saved as colour
        if pixels.ndim != 2 or mode == 'P' or (mode == '1' and not mask):
            raise ConversionError(
                f'{path} must have one channel of {"labels" if mask else "grey values"}, '
                f'but is of mode {mode}: convert it'
            )
        return pixels[None]
    if is_dicom(path):
        return read_dicom(path)[None]
    raise ConversionError(f'{path} is of no known type ({", ".join(SUFFIXES)}): move it away')


def is_nifti(path: Path) -> bool:
    """Whether a file is called NIfTI."""
    return path.name.lower().endswith(NIFTI)


def is_dicom(path: Path) -> bool:
    """Whether a file is called or, where its name says nothing, marked as DICOM."""
    name = path.name.lower()
    if name.endswith(DICOM):
        return True
    if name.endswith((*PICTURES, *NIFTI)):
        return False
    with path.open('rb') as file:
        return file.read(132)[128:] == b'DICM'


def stem(path: Path) -> str:
    """The name of a file without its type, where that is one of ``SUFFIXES``."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name
