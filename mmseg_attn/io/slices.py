"""Read gray slices from PNG, JPEG, TIFF, DICOM and NIfTI files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import UnknownTypeError, UnsupportedError
from .decoded import upright
from .dicom import read_dicom, starts_like_dicom
from .finite import check_finite
from .images import read_image
from .nifti import read_nifti
from .tiff_tags import COMPRESSION, first_tags, is_tiff

JPEG, NIFTI, DICOM = ('.jpg', '.jpeg'), ('.nii.gz', '.nii'), ('.dcm', '.dicom')
IMAGES = ('.png', '.tif', '.tiff', *JPEG)
SUFFIXES = (*IMAGES, *DICOM, *NIFTI)
ZARR = '.zarr'  # of folders
JPEG_START, JPEG_IN_TIFF = b'\xff\xd8\xff', (6, 7, 33007)


def read_slices(path: Path, *, mask: bool = False) -> np.ndarray:
    """Read a PNG, JPEG, TIFF, DICOM or NIfTI file.

    Args:
        path: The file.
        mask: Whether it contains labels, which lossy compression changes.

    Returns:
        The gray values, (slices, H, W) in the type of the file.

    Raises:
        DataError: If the file is damaged, too large or of an unknown type, in color, or a
            lossy mask.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    if is_nifti(path):
        return read_nifti(path).T  # slice k is volume[:, :, k].T
    if name.endswith(IMAGES):
        data = path.read_bytes()
        if mask:
            check_lossless(data, path)
        image = read_image(data, name=path, formats=('PNG', 'JPEG', 'TIFF'))
        pixels = image.pixels
        colors = image.mode.startswith('RGB') and image.channels == 3
        if colors and not mask and (pixels == pixels[..., :1]).all():  # gray saved as color
            image = replace(image, pixels=pixels[..., 0], mode='L')
        mode = image.mode
        if image.pixels.ndim != 2 or mode == 'P' or (mode == '1' and not mask):
            raise UnsupportedError(
                f'{path} has the mode {mode} instead of one channel of '
                f'{"labels" if mask else "gray values"}: convert it'
            )
        values = upright(image.labels(path), image.orientation) if mask else image.visible(path)
        check_finite(values, path)
        return values[None]
    if is_dicom(path):
        return read_dicom(path, labels=mask)[None]
    raise UnknownTypeError(
        f'{path} has an unknown type: remove it, or convert it to one of {", ".join(SUFFIXES)}'
    )


def check_lossless(data: bytes, path: Path) -> None:
    """Refuse a mask that is compressed as JPEG, also in a TIFF file.

    Raises:
        UnsupportedError: If it is.
    """
    in_tiff = is_tiff(data) and first_tags(data)[0].get(COMPRESSION) in JPEG_IN_TIFF
    if in_tiff or data.startswith(JPEG_START):
        raise UnsupportedError(
            f'{path} is compressed as JPEG, which changes labels: use the original mask'
        )


def is_nifti(path: Path) -> bool:
    """Return whether the name of a file has a NIfTI suffix."""
    return path.name.lower().endswith(NIFTI)


def is_dicom(path: Path) -> bool:
    """Return whether a file has a DICOM suffix, or no known suffix and the content of DICOM."""
    name = path.name.lower()
    if name.endswith(DICOM):
        return True
    if name.endswith((*IMAGES, *NIFTI)):
        return False
    return starts_like_dicom(path)


def stem(path: Path) -> str:
    """Return the name of a file without its suffix, if that is one of ``SUFFIXES`` or Zarr's."""
    for suffix in (*SUFFIXES, ZARR):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name
