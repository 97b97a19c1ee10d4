"""Read NIfTI volumes strictly, and their headers by the rules of the standard."""

import gzip
import io
import logging
import math
import struct
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, TooLargeError, UnsupportedError, damaged
from .finite import check_finite
from .kinds import foreign, kind_of
from .libraries import library
from .limits import MAX_IMAGE_VARIABLE, check_size, max_image_bytes

LENGTHS = 348, 540  # of the headers of NIfTI-1 and NIfTI-2, whose first number they are
MAGIC = b'n+', b'ni'
EXTENDER = 4  # bytes between the header and the values
AXES = 7  # the largest number
# Parts of messages of nibabel
NOT_READ = ('Valid slope', 'not supported', 'not recognized', 'be positive')
MILLIMETERS = {'meter': 1e3, 'mm': 1.0, 'micron': 1e-3}
DIFFERENT = 0.01  # relative difference of spacings above which they contradict each other


@dataclass
class NiftiHeader:
    """The header of a NIfTI file.

    Attributes:
        shape: The axes of the volume as they are stored.
        affine: Matrix (4, 4) from voxel indices to millimeters: the sform, or else the qform, or
            else the spacing, as in the standard.
        raw: nibabel's header.
        notes: Assumptions and contradictions, as text that follows the name of the file and a
            colon.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    raw: Any
    notes: list[str]

    @property
    def pixel_area(self) -> float | None:
        """The area of a pixel in the plane of the first two axes, in square millimeters."""
        with np.errstate(invalid='ignore'):  # where the affine is not finite
            return _size(np.linalg.norm(np.cross(self.affine[:3, 0], self.affine[:3, 1])))

    @property
    def voxel_volume(self) -> float | None:
        """The volume of a voxel in cubic millimeters; ``None`` for a slice without a third axis."""
        with np.errstate(invalid='ignore'):
            return _size(abs(np.linalg.det(self.affine[:3, :3]))) if len(self.shape) > 2 else None


def read_nifti(path: Path) -> np.ndarray:
    """Read the volume of a NIfTI file, as :func:`open_nifti` returns it."""
    return open_nifti(path)[0]


def open_nifti(path: Path) -> tuple[np.ndarray, NiftiHeader]:
    """Read a NIfTI file, compressed or not, and verify its checksum if it has one.

    Returns:
        The scaled values in the order of the file, (X, Y, slices), and the header. A viewer shows
        slice k as ``volume[:, :, k].T``.

    Raises:
        DamagedError: If the file is truncated or damaged.
        UnsupportedError: If it has more than three axes, or values that are not finite and real.
        TooLargeError: If it exceeds the limit.
        OSError: If the file cannot be read.
    """
    image, header = _open(path)
    kind = image.get_data_dtype()
    if kind.kind not in 'uif':
        name = 'complex' if kind.kind == 'c' else 'color'
        raise UnsupportedError(f'{path} contains {name} values: save it in gray')
    shape = header.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        raise UnsupportedError(f'{path} has {len(shape)} axes: save one volume per file')
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
    """Read the affine of a NIfTI file, (4, 4): from voxel indices to millimeters.

    Raises:
        DataError: As in :func:`open_nifti`.
    """
    return _open(path)[1].affine


def axis_directions(affine: np.ndarray, path: Path) -> str:
    """Name the directions of the axes of a volume, such as ``RAS`` (right, anterior, superior).

    Raises:
        UnsupportedError: If the affine has no directions.
    """
    nibabel = library('nibabel', 'NIfTI')
    try:
        return ''.join(nibabel.aff2axcodes(affine))
    except Exception as error:  # singular or not finite
        raise UnsupportedError(
            f'{path} has an affine without directions ({error}): correct it'
        ) from error


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
        while True:  # up to the end, where gzip verifies the checksum
            try:
                chunk = file.read1(2**24)
            except gzip.BadGzipFile as error:
                if content and 'Not a gzipped file' in str(error):
                    return content  # gzip ignores bytes after the end, too
                raise
            if not chunk:
                return content
            content += chunk
            if len(content) > limit:
                raise TooLargeError(
                    f'{path} unpacks to more than the limit of {limit / 2**30:g} GiB: cut it into '
                    f'parts, or raise the limit with the environment variable {MAX_IMAGE_VARIABLE}'
                )


def _open(path: Path) -> tuple[Any, NiftiHeader]:
    """Read and check a header; the values are not decoded yet."""
    nibabel = library('nibabel', 'NIfTI')
    data = _content(path)
    known = kind_of(bytes(data[:512]))
    if known not in (None, 'NIfTI'):
        raise foreign(path, known, 'and not a NIfTI file: correct the suffix of its name')
    order, length = next(
        ((order, n) for order in '<>' for n in LENGTHS if data[:4] == struct.pack(f'{order}i', n)),
        ('', LENGTHS[0]),
    )
    if len(data) < length:
        raise damaged(path, 'it ends within its header')
    if not order:
        raise UnsupportedError(
            f'{path} is not a NIfTI file, as its first number is not 348 or 540: correct the '
            'suffix of its name, or get it again'
        )
    kind = nibabel.Nifti1Image if length == LENGTHS[0] else nibabel.Nifti2Image
    # as it is stored; nibabel corrects some fields of the other header
    stored = kind.header_class(bytes(data[:length]), endianness=order, check=False)
    _check_fields(stored, path)
    logger = logging.getLogger('nibabel.global')
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # its messages about headers are raised as errors, too
    try:
        image = kind.from_bytes(bytes(data))
    except Exception as error:  # on damaged input nibabel raises nearly anything
        text = ' '.join(str(error).split())
        if any(words in text for words in NOT_READ):
            raise UnsupportedError(
                f'{path} has an unsupported header ({text}): save it again'
            ) from error
        raise damaged(path, error) from error
    finally:
        logger.setLevel(level)
    return image, _header(image, stored, len(data), path)


def _check_fields(stored: Any, path: Path) -> None:
    """Reject axes and a position of the values that are not possible."""
    axes = int(stored['dim'][0])
    if not 1 <= axes <= AXES:
        raise UnsupportedError(
            f'{path} has {axes} axes in dim[0], which must be from 1 to {AXES}: correct its header'
        )
    for i, side in enumerate(stored['dim'][1 : axes + 1], 1):
        if side < 1:
            raise UnsupportedError(
                f'{path} has dim[{i}] {side}, but an axis has at least one voxel: correct its '
                'header'
            )
    magic = stored['magic'].item()
    if not magic.startswith(MAGIC):
        raise UnsupportedError(
            f'{path} has the magic string {magic!r} and is not a NIfTI file: save it as NIfTI'
        )
    offset, least = float(stored['vox_offset']), int(stored['sizeof_hdr']) + EXTENDER
    if not least <= offset < math.inf:
        raise UnsupportedError(
            f'{path} has vox_offset {offset:g}, which is not a position behind its header of '
            f'{least} bytes: save it again'
        )


def _header(image: Any, stored: Any, length: int, path: Path) -> NiftiHeader:
    """Read the geometry, and compare fields that contradict each other.

    Args:
        image: nibabel's image.
        stored: nibabel's header without its corrections.
        length: Number of bytes of the file.
        path: The file, for messages.
    """
    bits, width, notes = int(stored['bitpix']), image.get_data_dtype().itemsize, []
    size = math.prod(image.shape) * width
    if bits != 8 * width:
        contradiction = f'bitpix {bits}, but {8 * width} bits in datatype {stored["datatype"]}'
        if image.dataobj.offset + size != length:
            raise UnsupportedError(f'{path} has {contradiction}: correct its header')
        notes.append(f'{contradiction}, which was used')
    if image.dataobj.offset + size > length:
        raise damaged(path, f'it has fewer than the {size} bytes of values in its header')
    raw, (affine, name, of_affine) = image.header, _affine(image.header, stored)
    notes += of_affine
    try:
        unit = MILLIMETERS.get(raw.get_xyzt_units()[0])
    except KeyError:  # a number that the standard does not know
        unit = None
    if unit is None:
        notes.append('no unit of length, so millimeters are assumed')
    affine[:3] *= unit or 1.0
    spacing = np.abs(np.array(stored.get_zooms()[:3], dtype=float)) * (unit or 1.0)
    lengths = np.linalg.norm(affine[:3, : len(spacing)], axis=0)
    known = (spacing > 0) & np.isfinite(spacing)
    different = np.abs(lengths - spacing) > DIFFERENT * np.maximum(lengths, spacing)
    if name == 'sform' and np.any(different & known):
        in_pixdim, in_affine = (
            ' x '.join(f'{side:g}' for side in sides) for sides in (spacing, lengths)
        )
        notes.append(
            f'voxels of {in_pixdim} mm in pixdim, but {in_affine} mm in the affine, which was used'
        )
    elif name == 'sform':
        notes += _of_qform(raw, affine[:3] / (unit or 1.0))
    return NiftiHeader(tuple(image.shape), affine, raw, notes)


def _of_qform(raw: Any, used: np.ndarray) -> list[str]:
    """Say that the qform is elsewhere than the sform that was used, by more than half a voxel."""
    if int(raw['qform_code']) <= 0:
        return []
    try:
        other = raw.get_qform()[:3]
    except Exception:  # a quaternion that is none: the sform counts anyway
        return []
    sides = (*raw.get_data_shape(), 1, 1)[:3]
    corners = np.array([[*corner, 1] for corner in product(*([0, side - 1] for side in sides))])
    shift = np.linalg.norm(corners @ (other - used).T, axis=1).max()
    voxel = np.linalg.norm(used[:, :2], axis=0).min()
    if not shift > voxel / 2:  # nor if it is not finite
        return []
    return ['the qform and the sform give voxels other positions, and the sform was used']


def _affine(raw: Any, stored: Any) -> tuple[np.ndarray, str, list[str]]:
    """Return the first usable affine, its name, and notes about what was not usable.

    The order is that of the standard: sform, qform, pixdim.
    """
    axes, unusable, name = min(len(raw.get_data_shape()), 3), [], 'pixdim'
    affine = np.array(raw.get_base_affine(), dtype=float)
    for form, read in (('sform', raw.get_sform), ('qform', raw.get_qform)):
        if raw[f'{form}_code'] > 0:
            with np.errstate(invalid='ignore'):
                candidate = np.array(read(), dtype=float)
            if _is_usable(candidate, axes):
                affine, name = candidate, form
                break
            unusable.append(form)
    notes = [f'singular or not finite {form}, so {name} was used' for form in unusable]
    sides = stored['pixdim'][1 : axes + 1]
    if name != 'sform' and not sides.all():
        notes.append('pixdim 0, so a spacing of 1 is assumed')
    if not np.isfinite(affine).all():
        notes.append('pixdim that is not finite, so areas are unknown')
    return affine, name, notes


def _is_usable(affine: np.ndarray, axes: int) -> bool:
    """Return whether the columns of the axes are finite and span an area or a volume."""
    columns = affine[:3, :axes]
    return bool(np.isfinite(affine).all()) and np.linalg.matrix_rank(columns) == axes


def _size(value: float) -> float | None:
    return float(value) if 0 < value < math.inf else None
