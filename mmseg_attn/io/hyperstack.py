"""Read and write TIFF stacks by their axes: channels as separate planes, Z and T as slices."""

import hashlib
import io
import math
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, TooLargeError, UnsupportedError, damaged
from .axes import CHANNELS, StackAxes, arranged, check_axes
from .decoded import DecodedImage
from .libraries import library
from .limits import check_size
from .spacing import OME_NAMES, OME_UNITS, tiff_sizes
from .tiff import GENERIC, SLIDES, _check_segments, _images, _quiet
from .tiff_tags import DESCRIPTION, PALETTE

DECLARED = ('imagej', 'ome', 'shaped')  # tifffile's kinds of series whose writers know the axes


class Hyperstack(NamedTuple):
    """A TIFF stack with named axes.

    Attributes:
        axes: The axes of its slices; ``None`` if the file does not name them, or has one slice.
        images: The slices with their channels, (H, W) or (H, W, C); ``None`` if ``read_images``
            reads them, because no channels lie in separate planes.
    """

    axes: StackAxes | None
    images: list[DecodedImage] | None


class _Part:
    """An array as ``tiff.py`` takes a page of a file."""

    def __init__(self, keyframe: Any, pixels: np.ndarray, axes: str) -> None:
        self.keyframe = keyframe
        self.pixels = pixels
        self.axes = axes

    def asarray(self) -> np.ndarray:
        return self.pixels


def read_hyperstack(data: bytes, *, name: str | Path, axes: str | None = None) -> Hyperstack:
    """Read the axes of a TIFF file and, if channels lie in separate planes, its slices.

    Args:
        data: The bytes of the file.
        name: The file, for messages.
        axes: tifffile's letters for its axes; ``None`` uses those of the file.

    Raises:
        DataError: If the letters do not fit the file, its description is cut off, or channels lie
            in separate planes and the file is damaged, not supported or too large.
    """
    unnamed = Hyperstack(None, None)
    try:
        tifffile = library('tifffile', 'such TIFF')
    except UnsupportedError:
        if axes is None:
            return unnamed
        raise
    try:
        with _quiet(), tifffile.TiffFile(io.BytesIO(data)) as file:
            if _lost_description(file, data):
                raise damaged(name, 'its description is missing')
            series = _series(file)
            if axes is None and not _names_axes(series):
                return unnamed
            if len(series) != 1:
                raise UnsupportedError(
                    f'{name} contains {len(series)} images of different shapes, to which --axes '
                    'does not apply: leave it out, or save one stack per file'
                )
            return _read(series[0], data, name, axes)
    except DataError:
        raise
    except MemoryError as error:
        raise TooLargeError(f'{name} does not fit into the memory: cut it into tiles') from error
    except Exception as error:  # on damaged input tifffile raises nearly anything
        if axes is None:
            return unnamed  # read_images names the fault
        raise damaged(name, error) from error


def write_hyperstack(
    path: Path, maps: Sequence[np.ndarray], axes: StackAxes, *, text: str | None = None
) -> None:
    """Write one map per slice, with the axes and lengths of the stack.

    Args:
        path: The file.
        maps: The maps, (H, W), uint8 or uint16.
        axes: The axes of the slices. Their kind is ``'imagej'`` or ``'ome'``.
        text: What the values mean.
    """
    tifffile = library('tifffile', 'TIFF')
    pixels = np.stack(maps).reshape(*axes.shape, *maps[0].shape)
    metadata: dict[str, Any] = dict(axes=f'{axes.names}YX')
    options: dict[str, Any] = {}
    lengths = axes.lengths
    if axes.kind == 'imagej':
        options['imagej'] = True
        metadata |= {
            name: lengths[axis].value
            for axis, name in (('Z', 'spacing'), ('T', 'finterval'))
            if axis in lengths
        }
        if {'X', 'Y'} <= lengths.keys() and lengths['X'].unit:
            options['resolution'] = tuple(1 / lengths[axis].value for axis in 'XY')
            metadata['unit'] = ''.join(
                letter if letter.isascii() else f'\\u{ord(letter):04X}'
                for letter in lengths['X'].unit
            )
        metadata |= dict(Info=text) if text else {}
    else:
        options['ome'] = True
        digest = hashlib.sha256(pixels).hexdigest()
        metadata['UUID'] = str(uuid.uuid5(uuid.NAMESPACE_OID, digest))  # random without this
        for axis, length in lengths.items():
            if length.unit:
                unit = OME_UNITS.get(length.unit.lower(), length.unit)
                metadata |= {OME_NAMES[axis]: length.value, f'{OME_NAMES[axis]}Unit': unit}
        metadata |= dict(Description=text) if text else {}
    tifffile.imwrite(
        path, pixels, photometric='minisblack', compression='zlib', metadata=metadata, **options
    )


def _lost_description(file: Any, data: bytes) -> bool:
    """Return whether the description lies behind the end of a file that was cut off.

    Many writers append it, and without it the planes of channels look like pages.
    """
    form, at = file.tiff, file.pages[0].offset
    (count,) = struct.unpack_from(form.tagnoformat, data, at)
    entry = struct.Struct(form.byteorder + ('HHII' if form.tagsize == 12 else 'HHQQ'))
    for number in range(count):
        code, _, size, offset = entry.unpack_from(data, at + form.tagnosize + number * form.tagsize)
        if code == DESCRIPTION:
            return size > struct.calcsize(entry.format[-1]) and offset + size > len(data)
    return False


def _series(file: Any) -> list[Any]:
    """Return the series that are images."""
    series = file.series[:1] if file.series[0].kind.lower() in SLIDES else file.series
    return [item for item in series if not (item.keyframe.is_reduced or item.keyframe.is_mask)]


def _names_axes(series: Sequence[Any]) -> bool:
    """Return whether the file has one stack whose axes it names."""
    if len(series) != 1 or series[0].kind.lower() in GENERIC:
        return False
    separate, slices = 'C' in series[0].axes, set(series[0].axes) - {*'CSYX'}
    return separate or (series[0].kind.lower() in DECLARED and slices and slices <= {*'TZ'})


def _read(series: Any, data: bytes, name: str | Path, axes: str | None) -> Hyperstack:
    letters = series.axes
    if axes is not None:
        letters = check_axes(axes, series.shape, name, stored=letters)
    single = [i for i, axis in enumerate(letters) if axis not in 'YX' and series.shape[i] == 1]
    letters = ''.join(axis for i, axis in enumerate(letters) if i not in single)
    shape = [side for i, side in enumerate(series.shape) if i not in single]
    names = ''.join(axis for axis in letters if axis not in 'CSYX')
    stack = None
    if names and set(names) <= {*'TZ'}:
        imagej = series.kind.lower() == 'imagej' and names in ('T', 'Z', 'TZ')
        stack = StackAxes(
            names,
            tuple(shape[letters.index(axis)] for axis in names),
            'imagej' if imagej else 'ome',
            tiff_sizes(data),
        )
    if axes is None and 'C' not in letters:
        return Hyperstack(stack, None)
    key = series.keyframe
    if {*CHANNELS} <= {*letters}:
        raise UnsupportedError(
            f'{name} has the axes {letters}, so that each channel has several samples: save it in '
            'gray, or as RGB without channels'
        )
    if int(key.photometric) == PALETTE and CHANNELS[0] in letters:
        raise UnsupportedError(f'{name} has channels in palette colors: save them in gray')
    check_size(name, series.shape, series.dtype.itemsize)
    _check_segments(series, len(data), name)
    pixels, _ = arranged(series.asarray().squeeze(tuple(single)), letters)
    depth = math.prod(pixels.shape[: len(names)])
    order = 'Z' * bool(names) + 'YX' + 'S' * (pixels.ndim - len(names) > 2)
    pixels = pixels.reshape(*([depth] if names else []), *pixels.shape[len(names) :])
    return Hyperstack(stack, list(_images(_Part(key, pixels, order), name)))
