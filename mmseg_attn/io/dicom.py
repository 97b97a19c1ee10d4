"""Read DICOM slices strictly, and their headers with the defaults of the standard."""

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TooLargeError, UnsupportedError, damaged
from .dicom_header import DicomHeader, element, number, read_header
from .finite import check_finite
from .kinds import foreign, kind_of
from .libraries import library
from .limits import check_size

DICOMDIR = 'DICOMDIR'  # standard name of the index of a folder
MARK = b'DICM'
# First bytes of files without the mark: groups 2 and 8, little endian, usual first elements
BEGINNINGS = (
    b'\x02\0\0\0',
    b'\x02\0\x01\0',
    *(b'\b\0' + bytes([element, 0]) for element in (0, 1, 5, 8, 22)),
)
PIXELS = ('PixelData', 'FloatPixelData', 'DoubleFloatPixelData')
GRAY = ('MONOCHROME1', 'MONOCHROME2')
NOT_DECODED = re.compile(r'missing .*dependenc|supported|not implemented|no suitable', re.S)


def starts_like_dicom(path: Path) -> bool:
    """Return whether a file has the mark of DICOM, or begins like files without the mark."""
    with path.open('rb') as file:
        start = file.read(132)
    return start[128:] == MARK or start[:4] in BEGINNINGS


def read_dicom(path: Path, *, labels: bool = False) -> np.ndarray:
    """Read the values of a DICOM file, as :func:`open_dicom` returns them."""
    return open_dicom(path, labels=labels)[0]


def open_dicom(path: Path, *, labels: bool = False) -> tuple[np.ndarray, DicomHeader]:
    """Read a DICOM file with one gray slice, with or without a preamble.

    Args:
        path: The file.
        labels: Whether the values are labels, which MONOCHROME1 does not invert.

    Returns:
        The values (H, W), and the header. The rescaling of the file is applied. MONOCHROME1 is
        inverted within the range of the stored bits, so that larger values are lighter. 8-bit
        values without rescaling are uint8.

    Raises:
        DamagedError: If the file is truncated or damaged.
        UnsupportedError: If it is not an image, no installed package can decode it, a property
            is missing, or it does not contain exactly one gray slice.
        TooLargeError: If it exceeds the limit.
        OSError: If the file cannot be read.
    """
    file = _dataset(path)
    _check_image(file, path)
    header = read_header(file, path)
    pixels = _pixels(file, path, header.bits)
    if pixels.ndim != 2:
        raise UnsupportedError(
            f'{path} has values of shape {pixels.shape}: save one gray slice per file'
        )
    photometric = str(element(file, 'PhotometricInterpretation', path) or '')
    if photometric not in GRAY:
        fault = (
            f'is in color ({photometric})' if photometric else 'has no PhotometricInterpretation'
        )
        raise UnsupportedError(f'{path} {fault}: save it as MONOCHROME2')
    table = bool(element(file, 'ModalityLUTSequence', path))
    if header.inverted and not labels:
        if pixels.dtype.kind == 'f' or table:
            raise UnsupportedError(
                f'{path} is MONOCHROME1 with {"a modality table" if table else "float values"}: '
                'save it as MONOCHROME2'
            )
        top = -1 if header.signed else 2**header.bits - 1
        if not header.signed and pixels.max(initial=0) > top:
            raise UnsupportedError(
                f'{path} contains {pixels.max()}, but its BitsStored is {header.bits}: correct it'
            )
        pixels = pixels.dtype.type(top) - pixels
    if table:
        return _by_table(pixels, file, path), header
    if (header.slope, header.intercept) != (1, 0):
        pixels = pixels * header.slope + header.intercept
    elif header.bits <= 8 and pixels.dtype == np.uint16:
        pixels = pixels.astype(np.uint8)
    check_finite(pixels, path)
    return pixels, header


def dicom_header(path: Path) -> DicomHeader:
    """Read the header without the values.

    Raises:
        DataError: As in :func:`open_dicom`.
    """
    return read_header(_dataset(path, stop_before_pixels=True), path)


def dicom_series(path: Path) -> str:
    """Return the UID of the series that a DICOM file belongs to; empty if there is none.

    Raises:
        DamagedError: If the file is truncated or damaged.
    """
    return dicom_header(path).series


def _dataset(path: Path, **options: Any) -> Any:
    pydicom = library('pydicom', 'DICOM')
    path.open('rb').close()  # report missing and unreadable files as such
    try:
        with _quiet():
            try:
                file = pydicom.dcmread(path, **options)
            except pydicom.errors.InvalidDicomError:  # no preamble
                file = pydicom.dcmread(path, force=True, **options)
            if not any(key in file for key in ('SOPClassUID', 'Rows', 'DirectoryRecordSequence')):
                raise ValueError('it is not a DICOM file')
            return file
    except Exception as error:  # on damaged input pydicom raises nearly anything
        with path.open('rb') as start:
            kind = kind_of(start.read(512))
        if kind not in (None, 'DICOM'):
            raise foreign(
                path, kind, 'and not a DICOM file: correct the suffix of its name'
            ) from error
        raise damaged(path, error) from error


def _check_image(file: Any, path: Path) -> None:
    """Reject indexes, reports, contours and other objects without pixels."""
    if any(key in file for key in PIXELS):
        return
    complete = file.file_meta.get('MediaStorageSOPClassUID')
    # a truncated file may end within this element
    kind = complete or element(file, 'SOPClassUID', path)
    name = getattr(kind, 'name', kind)
    if kind and (complete or name != kind) and 'Image Storage' not in name:
        raise UnsupportedError(
            f'{path} is a {name} object without an image: remove it from the inputs'
        )
    raise damaged(path, 'it has no PixelData')


def _pixels(file: Any, path: Path, bits: int) -> np.ndarray:
    """Decode the stored values, without unused bits."""
    pydicom = library('pydicom', 'DICOM')
    sides = [number(file, key, path) or 0 for key in ('Rows', 'Columns')]
    planes = [number(file, key, path) or 1 for key in ('NumberOfFrames', 'SamplesPerPixel')]
    check_size(path, [int(side) for side in sides], 2 * int(math.prod(planes)))
    meta = file.file_meta
    if not meta.get('TransferSyntaxUID'):
        if 'PixelData' in file and file['PixelData'].is_undefined_length:
            raise UnsupportedError(f'{path} is compressed and has no TransferSyntaxUID: add it')
        meta.TransferSyntaxUID = _native_syntax(file, pydicom)
    try:
        with _quiet():
            pixels = file.pixel_array
    except MemoryError as error:
        raise TooLargeError(
            f'{path} does not fit into the memory: free some memory, or crop the image'
        ) from error
    except Exception as error:  # on damaged input pydicom raises nearly anything
        text = ' '.join(str(error).split())
        if isinstance(error, NotImplementedError) or NOT_DECODED.search(text):
            raise UnsupportedError(
                f'{path} is compressed as {meta.TransferSyntaxUID.name}, which no installed '
                f'package can decode ({text[:200]}): decompress it, for example with gdcmconv --raw'
            ) from error
        if isinstance(error, AttributeError):
            raise UnsupportedError(
                f'{path} has no value for a property of an image ({text}): add it'
            ) from error
        if isinstance(error, ValueError) and not re.search('length|bytes|less|expected', text):
            raise UnsupportedError(f'{path} has an invalid header ({text}): correct it') from error
        raise damaged(path, error) from error
    shift = 8 * pixels.dtype.itemsize - bits
    if pixels.dtype.kind in 'ui' and bits and shift > 0:
        pixels = (pixels << shift) >> shift  # PS3.5, 8.1.1: the other bits may hold anything
    return pixels.astype(pixels.dtype.newbyteorder('='), copy=False)


def _native_syntax(file: Any, pydicom: Any) -> str:
    """Return the transfer syntax that pydicom detected in a file without meta information."""
    implicit, little = getattr(file, 'original_encoding', (None, None))
    if implicit is None:  # pydicom 2
        implicit, little = file.is_implicit_VR, file.is_little_endian
    uid = pydicom.uid
    if not little:
        return uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian


def _by_table(pixels: np.ndarray, file: Any, path: Path) -> np.ndarray:
    try:
        from pydicom.pixels import apply_modality_lut
    except ImportError:  # pydicom 2
        from pydicom.pixel_data_handlers.util import apply_modality_lut
    try:
        return apply_modality_lut(pixels, file)
    except Exception as error:
        raise UnsupportedError(
            f'{path} has an unsupported modality table ({error}): save it with RescaleSlope'
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
