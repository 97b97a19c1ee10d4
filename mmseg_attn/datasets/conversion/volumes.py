"""Read NIfTI volumes and DICOM slices strictly."""

import gzip
import importlib
import io
import math
from pathlib import Path
from types import ModuleType

import numpy as np

from .errors import ConversionError

MAX_VOLUME_GIB = 4


def read_nifti(path: Path) -> np.ndarray:
    """Read a NIfTI-1 file, compressed or not, and compare its checksum where it has one.

    Returns:
        The scaled values in the order of the file, (X, Y, slices); slice k as a viewer shows it is
        ``volume[:, :, k].T``.

    Raises:
        ConversionError: If the file is truncated, damaged, no volume of one to three axes, or holds
            values that are no finite numbers.
        OSError: If the file cannot be read.
    """
    nibabel = _library('nibabel', 'NIfTI')
    data = path.read_bytes()
    try:
        if data.startswith(b'\x1f\x8b'):
            data = _unzip(data)
        image = nibabel.Nifti1Image.from_bytes(data)
        size = math.prod(image.shape) * image.get_data_dtype().itemsize
        if image.dataobj.offset + size > len(data):
            raise ConversionError(f'{size} bytes of values are announced, fewer are there')
        volume = np.asarray(image.dataobj)
    except Exception as error:  # on damaged input the decoders raise nearly anything
        raise ConversionError(f'{path} is truncated or damaged: {error}; get it again') from error
    while volume.ndim > 3 and volume.shape[-1] == 1:
        volume = volume[..., 0]
    volume = volume.reshape(*volume.shape, *(1,) * (3 - volume.ndim))
    if volume.ndim != 3:
        raise ConversionError(f'{path} has {volume.ndim} axes: give one volume per file')
    if volume.dtype.kind not in 'uif' or not np.isfinite(volume).all():
        raise ConversionError(f'{path} holds values that are no finite numbers')
    return volume


def nifti_axes(path: Path) -> str:
    """Where the axes of a NIfTI file point, such as ``RAS`` (right, anterior, superior).

    Raises:
        ConversionError: If the file is damaged, or its affine maps no axes.
    """
    nibabel = _library('nibabel', 'NIfTI')
    try:
        return ''.join(nibabel.aff2axcodes(nibabel.load(path).affine))
    except Exception as error:  # on damaged input nibabel raises nearly anything
        raise ConversionError(f'{path} has an affine that maps no axes: {error}') from error


def check_axes(image: Path, mask: Path) -> None:
    """Check that the axes of two NIfTI files point the same ways; else one is a mirror image.

    Raises:
        ConversionError: If they do not.
    """
    ways = nifti_axes(image), nifti_axes(mask)
    if ways[0] != ways[1]:
        raise ConversionError(
            f'the axes of {mask} point to {ways[1]}, but those of its image {image} to {ways[0]}, '
            'so that the labels would be mirrored or turned: save both with the same orientation'
        )


def read_dicom(path: Path) -> np.ndarray:
    """Read a DICOM file with one grey slice.

    Returns:
        (H, W): uint8 as stored, or the values after the file's rescale slope and intercept;
        MONOCHROME1 is turned, so that larger is lighter.

    Raises:
        ConversionError: If the file is truncated, damaged, compressed in a way that nothing
            installed can decode, or holds something else than one grey slice.
        OSError: If the file cannot be read.
    """
    pydicom = _library('pydicom', 'DICOM')
    path.open('rb').close()  # a missing or forbidden file is no damaged one
    try:
        file = pydicom.dcmread(path)
        pixels = file.pixel_array
        slope = float(file.get('RescaleSlope', 1))
        intercept = float(file.get('RescaleIntercept', 0))
        inverted = file.PhotometricInterpretation == 'MONOCHROME1'
    except Exception as error:  # on damaged input pydicom raises nearly anything
        reason = ' '.join(str(error).split())
        raise ConversionError(
            f'{path} is truncated, damaged or compressed in an unknown way: {reason}'
        ) from error
    if pixels.ndim != 2:
        raise ConversionError(
            f'{path} has values of shape {pixels.shape}: give one grey slice per file'
        )
    if (slope, intercept) != (1, 0):
        pixels = pixels * slope + intercept
    if inverted:
        pixels = 255 - pixels if pixels.dtype == np.uint8 else -pixels.astype(float)
    return pixels


def dicom_series(path: Path) -> str:
    """The UID of the series that a DICOM file belongs to; empty where none is named.

    Raises:
        ConversionError: If the file is truncated or damaged.
    """
    pydicom = _library('pydicom', 'DICOM')
    try:
        file = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=['SeriesInstanceUID'])
        return str(file.get('SeriesInstanceUID', ''))
    except Exception as error:
        raise ConversionError(f'{path} is truncated or damaged: {error}') from error


def _unzip(data: bytes) -> bytearray:
    content = bytearray()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while chunk := file.read(2**24):  # up to the end, where the checksum is compared
            content += chunk
            if len(content) > MAX_VOLUME_GIB * 2**30:
                raise ConversionError(f'it unpacks to more than {MAX_VOLUME_GIB} GiB')
    return content


def _library(name: str, kind: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConversionError(
            f'reading {kind} files needs {name}: pip install {name}, or install mmseg_attn[medical]'
        ) from error
