"""Identify the format of a file by its first bytes."""

from pathlib import Path

from ..errors import UnsupportedError

LFS = 'Git LFS pointer'
LFS_REMEDY = "run 'git lfs pull' in its repository"
STARTS = (
    (0, b'\x89PNG', 'PNG'),
    (0, b'\xff\xd8\xff', 'JPEG'),
    (0, b'II*\0', 'TIFF'),
    (0, b'MM\0*', 'TIFF'),
    (0, b'II\xbc\x01', 'JPEG XR'),
    (0, b'II+\0', 'TIFF'),
    (0, b'MM\0+', 'TIFF'),
    (0, b'GIF8', 'GIF'),
    (0, b'\0\0\0\x0cjP  ', 'JPEG 2000'),
    (0, b'\0\0\0\x0cJXL ', 'JPEG XL'),
    (0, b'\xff\x0a', 'JPEG XL'),
    (4, b'ftypheic', 'HEIC'),
    (4, b'ftypmif1', 'HEIF'),
    (4, b'ftypavif', 'AVIF'),
    (8, b'WEBP', 'WEBP'),
    (0, b'v/1\x01', 'OpenEXR'),
    (0, b'SIMPLE  =', 'FITS'),
    (0, b'ZISRAWFILE', 'CZI'),
    (0, b'\xda\xce\xbe\n', 'ND2'),
    (0, b'ObjectType =', 'MetaImage'),
    (0, b'CDF\x01', 'netCDF'),
    (0, b'CDF\x02', 'netCDF'),
    (0, b'NRRD', 'NRRD'),
    (0, b'MATLAB', 'MATLAB'),
    (0, b'\x89HDF', 'HDF5'),
    (0, b'\x93NUMPY', 'NumPy'),
    (0, b'%PDF', 'PDF'),
    (0, b'\x1f\x8b', 'gzip'),
    (0, b'BZh', 'bzip2'),
    (0, b'\xfd7zXZ', 'xz'),
    (0, b'\x28\xb5\x2f\xfd', 'Zstandard'),
    (0, b'PK\x03\x04', 'zip'),
    (0, b'<!DOCTYPE', 'HTML'),
    (0, b'<!doctype', 'HTML'),
    (0, b'<html', 'HTML'),
    (0, b'<?xml', 'XML'),
    (0, b'<svg', 'SVG'),
    (0, b'version https://git-lfs', LFS),
    (128, b'DICM', 'DICOM'),
    (208, b'MAP ', 'MRC'),
    (344, b'n+1\0', 'NIfTI'),
)


def kind_of(data: bytes) -> str | None:
    """Name the format of a file by its first bytes; ``None`` if they are unknown."""
    return next((kind for at, start, kind in STARTS if data.startswith(start, at)), None)


def foreign(name: str | Path, kind: str, instead: str) -> UnsupportedError:
    """Return the error for a file of another format than its name says.

    Args:
        name: The file.
        kind: Its format.
        instead: What was expected, and the remedy.
    """
    if kind == LFS:
        return UnsupportedError(f'{name} is a {LFS}: {LFS_REMEDY}')
    return UnsupportedError(f'{name} is a {kind} file {instead}')
