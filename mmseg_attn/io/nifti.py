"""Read NIfTI volumes strictly, and their headers as the standard has them."""

import gzip
import io
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, TooLargeError, UnsupportedError, damaged
from .finite import check_finite
from .kinds import kind_of
from .libraries import library
from .limits import MAX_IMAGE_VARIABLE, check_size, max_image_bytes

NIFTI1 = (b'\x5c\x01\0\0', b'\0\0\x01\x5c')  # the size of the header, little and big endian
NIFTI2 = (b'\x1c\x02\0\0', b'\0\0\x02\x1c')
LENGTH = 348  # of the shorter header
# In nibabel's words
NOT_READ = ('Valid slope', 'not supported', 'not recognized', 'magic string', 'be positive')
MILLIMETERS = {'meter': 1e3, 'mm': 1.0, 'micron': 1e-3}
DIFFERENT = 0.01  # of a spacing, above which two of them contradict each other


@dataclass
class NiftiHeader:
    """What a NIfTI file says of its volume.

    Attributes:
        shape: The axes of the volume as they are stored.
        affine: From voxel numbers to millimeters, (4, 4): of the sform, else of the qform, else of
            the spacing alone, as the standard has it.
        raw: nibabel's header.
        notes: What was assumed, and contradictions, in words.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    raw: Any
    notes: list[str]

    @property
    def pixel_area(self) -> float | None:
        """Square millimeters of a pixel in the plane of the first two axes."""
        with np.errstate(invalid='ignore'):  # where the affine is not finite
            return _size(np.linalg.norm(np.cross(self.affine[:3, 0], self.affine[:3, 1])))

    @property
    def voxel_volume(self) -> float | None:
        """Cubic millimeters of a voxel; ``None`` for a single slice without a third axis."""
        with np.errstate(invalid='ignore'):
            return _size(abs(np.linalg.det(self.affine[:3, :3]))) if len(self.shape) > 2 else None


def read_nifti(path: Path) -> np.ndarray:
    """Read the volume of :func:`open_nifti`."""
    return open_nifti(path)[0]


def open_nifti(path: Path) -> tuple[np.ndarray, NiftiHeader]:
    """Read a NIfTI file, compressed or not, and compare its checksum where it has one.

    Returns:
        The scaled values in the order of the file, (X, Y, slices); slice k as a viewer shows it is
        ``volume[:, :, k].T``. And the header.

    Raises:
        DamagedError: If the file is truncated or damaged.
        UnsupportedError: If it holds no volume of one to three axes, or no finite real numbers.
        TooLargeError: If it is beyond the limit.
        OSError: If the file cannot be read.
    """
    library('nibabel', 'NIfTI')
    data = _content(path)
    image = _image(path, data)
    size = math.prod(image.shape) * image.get_data_dtype().itemsize
    if image.dataobj.offset < image.header['sizeof_hdr']:
        raise UnsupportedError(
            f'{path} has vox_offset {image.dataobj.offset}, which lies within its header: save it '
            'again'
        )
    if image.dataobj.offset + size > len(data):
        raise damaged(path, f'{size} bytes of values are announced, fewer are there')
    kind = image.get_data_dtype()
    if kind.kind not in 'uif':
        what = 'complex' if kind.kind == 'c' else 'color'
        raise UnsupportedError(f'{path} holds {what} values: save it in gray')
    header = _header(image)
    shape = header.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        raise UnsupportedError(f'{path} has {len(shape)} axes: give one volume per file')
    scaled = image.dataobj.slope != 1 or image.dataobj.inter != 0
    check_size(path, shape, 8 if scaled else kind.itemsize)
    try:
        volume = np.asarray(image.dataobj)
    except MemoryError as error:
        raise TooLargeError(f'{path} does not fit into the memory: cut it into parts') from error
    except Exception as error:  # on damaged input the decoders raise nearly anything
        raise damaged(path, error) from error
    volume = volume.reshape(*shape, *(1,) * (3 - len(shape)))
    volume = volume.astype(f'={volume.dtype.kind}{min(volume.dtype.itemsize, 8)}', copy=False)
    check_finite(volume, path)
    return volume, header


def nifti_affine(path: Path) -> np.ndarray:
    """Read where the voxels of a NIfTI file lie: from their numbers to millimeters, (4, 4).

    Raises:
        DataError: As of :func:`open_nifti`.
    """
    library('nibabel', 'NIfTI')
    return _header(_image(path, _content(path))).affine


def axis_directions(affine: np.ndarray, path: Path) -> str:
    """Name where the axes of a volume point, such as ``RAS`` (right, anterior, superior).

    Raises:
        UnsupportedError: If its affine maps no axes.
    """
    nibabel = library('nibabel', 'NIfTI')
    try:
        return ''.join(nibabel.aff2axcodes(affine))
    except Exception as error:  # singular or not finite
        raise UnsupportedError(f'{path} has an affine that maps no axes: {error}') from error


def _content(path: Path) -> bytes | bytearray:
    data = path.read_bytes()
    try:
        return _unzip(data, path) if data.startswith(b'\x1f\x8b') else data
    except DataError:
        raise
    except Exception as error:
        raise damaged(path, error) from error


def _unzip(data: bytes, path: Path) -> bytearray:
    content, limit = bytearray(), max_image_bytes()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while True:  # up to the end, where the checksum is compared
            try:
                chunk = file.read1(2**24)
            except gzip.BadGzipFile as error:
                if content and 'Not a gzipped file' in str(error):
                    return content  # bytes behind the end, which gzip ignores, too
                raise
            if not chunk:
                return content
            content += chunk
            if len(content) > limit:
                raise TooLargeError(
                    f'{path} unpacks to more than the limit of {limit / 2**30:g} GiB: cut it into '
                    f'parts, or raise the limit with the environment variable {MAX_IMAGE_VARIABLE}'
                )


def _image(path: Path, data: bytes | bytearray) -> Any:
    nibabel = library('nibabel', 'NIfTI')
    known = kind_of(bytes(data[:512]))
    if known not in (None, 'NIfTI'):
        raise UnsupportedError(f'{path} is a {known} file, no NIfTI: name it as what it is')
    if data[:4] not in (*NIFTI1, *NIFTI2) and len(data) >= LENGTH:
        raise UnsupportedError(
            f'{path} is no NIfTI file, whose first number is 348 or 540: name it as what it is, or '
            'get it again'
        )
    kind = nibabel.Nifti2Image if data[:4] in NIFTI2 else nibabel.Nifti1Image
    logger = logging.getLogger('nibabel.global')
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # what it says of headers comes as an error, too
    try:
        return kind.from_bytes(bytes(data))
    except Exception as error:  # on damaged input nibabel raises nearly anything
        text = ' '.join(str(error).split())
        if any(words in text for words in NOT_READ):
            raise UnsupportedError(f'{path} has a header that is not read: {text}') from error
        raise damaged(path, error) from error
    finally:
        logger.setLevel(level)


def _header(image: Any) -> NiftiHeader:
    raw, affine, notes = image.header, np.array(image.affine, dtype=float), []
    try:
        unit = MILLIMETERS.get(raw.get_xyzt_units()[0])
    except KeyError:  # a number that the standard does not know
        unit = None
    if unit is None:
        notes.append('names no unit of length: millimeters are assumed')
    if not np.isfinite(affine).all():
        notes.append('has an affine that is no finite numbers, so that its sizes are not known')
    affine[:3] *= unit or 1.0
    spacing = np.abs(np.array(raw.get_zooms()[:3], dtype=float)) * (unit or 1.0)
    lengths = np.linalg.norm(affine[:3, : len(spacing)], axis=0)
    if np.any(np.abs(lengths - spacing) > DIFFERENT * np.maximum(lengths, spacing)):
        given, placed = (' x '.join(f'{side:g}' for side in sides) for sides in (spacing, lengths))
        notes.append(
            f'has voxels of {given} mm in pixdim but {placed} mm in its affine, which was used'
        )
    return NiftiHeader(tuple(image.shape), affine, raw, notes)


def _size(value: float) -> float | None:
    return float(value) if 0 < value < math.inf else None
