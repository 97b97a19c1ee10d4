"""Read and write OME-Zarr images (NGFF 0.4 and 0.5) slice by slice, never the whole volume."""

import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import DataError, UnsupportedError, damaged
from .axes import CHANNELS, StackAxes, arranged, check_axes
from .finite import check_finite
from .libraries import numpy_kept
from .limits import check_size
from .sampling import sample
from .slices import ZARR
from .spacing import Length

VERSION = '0.4'  # of the images that name no version
SLAB_BYTES = 2**27  # of the slices that are read together, because they share chunks
SLABS = 2  # that are kept, for the neighbors of a slice
PLANES = 6  # that are kept at least
SAMPLE = 2**22  # values
METADATA = '.zattrs', '.zarray', 'zarr.json'  # of a group or an array
CHUNK = 1024  # pixels per side of the chunks that are written


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a Zarr store by its name, or an image or array by its metadata."""
    named = path.name.lower().endswith(ZARR)
    return path.is_dir() and (named or any(_is_image(path / name) for name in METADATA))


def _is_image(metadata: Path) -> bool:
    try:
        content = json.loads(metadata.read_text(encoding='utf-8'))
        attributes = content.get('attributes', content)
        image = 'multiscales' in attributes.get('ome', attributes)
    except (OSError, ValueError, AttributeError):  # not readable, or not of Zarr
        return False
    return image or metadata.name == '.zarray' or content.get('node_type') == 'array'


class ZarrSlices(Sequence):
    """The slices of an OME-Zarr image in its full resolution, read when they are needed.

    Args:
        path: The folder.
        axes: Letters for its axes, as ``--axes``; ``None`` uses those of its metadata.
        channels: The channels to read, from 0 on; empty for all.

    Attributes:
        axes: The axes and lengths of the slices. Without such axes, there is one slice.
        dtype: The type of the values.
        channels: The number of channels in the file.
        version: The version of NGFF.

    Raises:
        DataError: If the image is damaged, not supported, or does not have the axes or channels.
    """

    def __init__(
        self, path: Path, *, axes: str | None = None, channels: Sequence[int] = ()
    ) -> None:
        self.path = path
        self.array, names, lengths, self.version = _open(path, axes)
        shape, letters = self.array.shape, names
        if axes:
            letters = check_axes(axes, shape, path, stored=names or 'without axes')
            lengths = {
                axis: lengths[old]
                for axis, old in zip(letters, names, strict=False)
                if old in lengths and axis not in CHANNELS
            }
        self.letters = _checked(letters, shape, path)
        others = [axis for axis in self.letters if axis not in 'CSYX']
        sides = dict(zip(self.letters, shape, strict=True))
        self.axes = StackAxes(
            ''.join(others), tuple(sides[axis] for axis in others), 'zarr', lengths
        )
        self.height, self.width = sides['Y'], sides['X']
        self.dtype = self.array.dtype.newbyteorder('=')
        if self.dtype.kind not in 'uifb':
            raise UnsupportedError(
                f'{path} contains {self.dtype} values: save it as integers or floats'
            )
        self._channel_axis = next((i for i, a in enumerate(self.letters) if a in CHANNELS), None)
        self.channels = 1 if self._channel_axis is None else shape[self._channel_axis]
        self._channels = list(channels)
        missing = [number for number in channels if not 0 <= number < self.channels]
        if missing:
            raise UnsupportedError(
                f'{path} has the channels 0 to {self.channels - 1}, but --channels names '
                f'{missing[0]}: name others'
            )
        count = len(channels) or self.channels
        plane = self.height * self.width * count * self.dtype.itemsize
        check_size(path, (self.height, self.width), count * self.dtype.itemsize)
        # the slices along the last axis that lie in the same chunks, as far as they fit
        depth = self.array.chunks[self.letters.index(others[-1])] if others else 1
        self.depth = max(1, min(depth, SLAB_BYTES // plane))
        self._slabs: OrderedDict[tuple, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return self.axes.count

    def __getitem__(self, k: Any) -> np.ndarray:
        """Read a slice, (H, W) or (H, W, C).

        Raises:
            DataError: If it cannot be decoded, or contains values that are not finite.
        """
        if not 0 <= k < len(self):
            raise IndexError(k)
        place = np.unravel_index(k, self.axes.shape) if self.axes.shape else ()
        *outer, last = (int(i) for i in place) if place else (0,)
        first = last - last % self.depth
        return self._slab((*outer, first))[last - first]

    def sample(self) -> np.ndarray:
        """Read values of all slices, at most ``SAMPLE``."""
        per_slice = max(1, SAMPLE // len(self))
        return np.concatenate([sample(image.ravel(), per_slice) for image in self])

    def _slab(self, place: tuple[int, ...]) -> np.ndarray:
        """Read adjacent slices, (depth, H, W) or (depth, H, W, C)."""
        if place in self._slabs:
            self._slabs.move_to_end(place)
            return self._slabs[place]
        names = self.axes.names
        index: list[Any] = [slice(None)] * len(self.letters)
        for axis, start in zip(names, place, strict=False):
            stop = start + self.depth if axis == names[-1] else start + 1
            index[self.letters.index(axis)] = slice(start, stop)
        try:
            if len(self._channels) == 1 and self._channel_axis is not None:
                number = self._channels[0]
                index[self._channel_axis] = slice(number, number + 1)
            pixels = np.asarray(self.array[tuple(index)])
        except Exception as error:  # zarr raises nearly anything on damaged chunks
            raise damaged(self.path, error) from error
        pixels, _ = arranged(pixels, self.letters)
        pixels = pixels.reshape(-1, *pixels.shape[len(names) :])
        if len(self._channels) > 1:
            pixels = pixels[..., self._channels]
        if pixels.ndim == 4 and pixels.shape[3] == 1:
            pixels = pixels[..., 0]
        if pixels.dtype == bool:
            pixels = pixels * np.uint8(255)
        elif pixels.dtype == np.float16:
            pixels = pixels.astype(np.float32)
        pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder('='))
        check_finite(pixels, self.path)
        self._slabs[place] = pixels
        while len(self._slabs) > max(SLABS, PLANES // self.depth):
            self._slabs.popitem(last=False)
        return pixels


class ZarrMaps(Sequence):
    """The maps of the slices of an OME-Zarr image, which are written when they are appended.

    Args:
        path: The folder, which does not exist.
        axes: The axes of the slices.
        version: The version of NGFF.
        metadata: Further metadata of the image, such as ``image-label``.
    """

    def __init__(
        self, path: Path, axes: StackAxes, *, version: str, metadata: Mapping[str, Any]
    ) -> None:
        self.path = path
        self.axes = axes
        self.version = version
        self.metadata = metadata
        self.array: Any = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, k: Any) -> np.ndarray:
        if not 0 <= k < self._count:
            raise IndexError(k)
        return np.asarray(self.array[self._place(k)])

    def append(self, values: np.ndarray) -> None:
        """Write the map of the next slice, (H, W), uint8 or uint16."""
        if self.array is None:
            self.array = self._create(values)
        self.array[self._place(self._count)] = values
        self._count += 1

    def _place(self, k: int) -> tuple[int, ...]:
        shape = self.axes.shape
        return tuple(int(i) for i in np.unravel_index(k, shape)) if shape else (...,)

    def _create(self, values: np.ndarray) -> Any:
        names = f'{self.axes.names}YX'
        lengths = [self.axes.lengths.get(axis, Length(1.0, '')) for axis in names]
        place = [length.offset for length in lengths]
        image = dict(
            axes=[
                dict(name=axis.lower(), type='time' if axis == 'T' else 'space')
                | (dict(unit=length.unit) if length.unit else {})
                for axis, length in zip(names, lengths, strict=True)
            ],
            datasets=[
                dict(
                    path='0',
                    coordinateTransformations=[
                        dict(type='scale', scale=[length.value for length in lengths]),
                        *([dict(type='translation', translation=place)] if any(place) else []),
                    ],
                )
            ],
        )
        nested = self.version != VERSION
        if not nested:
            image['version'] = self.version
        content = dict(self.metadata, multiscales=[image])
        form: Any = 3 if nested else 2
        group = zarr_library().open_group(str(self.path), mode='w', zarr_format=form)
        group.attrs.update(dict(ome=dict(content, version=self.version)) if nested else content)
        sides = [min(CHUNK, side) for side in values.shape]
        return group.create_array(
            '0',
            shape=(*self.axes.shape, *values.shape),
            chunks=(*[1] * len(self.axes.shape), *sides),
            dtype=values.dtype,
            fill_value=0,
            chunk_key_encoding=dict(name='v2' if form == 2 else 'default', separator='/'),
            **(dict(dimension_names=[axis.lower() for axis in names]) if nested else {}),
        )


def zarr_library() -> ModuleType:
    """Import zarr.

    Raises:
        UnsupportedError: If it is not installed, or older than version 3.
    """
    try:
        import zarr

        if int(zarr.__version__.partition('.')[0]) < 3:
            raise ImportError(f'version {zarr.__version__} is too old')
    except ImportError as error:
        raise UnsupportedError(
            f'OME-Zarr needs zarr 3 and Python 3.11 or newer ({error}): pip install "zarr>=3" '
            f'{numpy_kept()}, or install mmseg_attn[zarr]'
        ) from error
    return zarr


def _open(path: Path, axes: str | None) -> tuple[Any, str, dict[str, Length], str]:
    """Open the array of the full resolution.

    Returns:
        The array, its letters, which are empty without metadata, the lengths, and the version of
        NGFF.
    """
    zarr = zarr_library()
    try:
        node = zarr.open(str(path), mode='r')
        attributes = node.attrs.asdict()
    except Exception as error:  # zarr raises nearly anything
        raise damaged(path, error) from error
    if isinstance(node, zarr.Array):
        if axes is None:
            raise UnsupportedError(
                f'{path} is a Zarr array without the metadata of OME-Zarr: name its axes with '
                f'--axes, one letter for each of {"x".join(map(str, node.shape))}'
            )
        return node, '', {}, VERSION
    content = attributes.get('ome', attributes)
    if 'multiscales' not in content:
        plate = ' It is a plate: name the images in it.' if 'plate' in content else ''
        raise UnsupportedError(
            f'{path} is a Zarr group without multiscales, the metadata of an OME-Zarr image: name '
            f'the folder of an image in it.{plate}'
        )
    try:
        image = content['multiscales'][0]
        version = str(content.get('version') or image.get('version') or VERSION)
        finest = image['datasets'][0]
        array = node[finest['path']]
        found = image.get('axes') or ()  # none before version 0.3
        names = [axis if isinstance(axis, str) else axis['name'] for axis in found]
        units = ['' if isinstance(axis, str) else axis.get('unit', '') for axis in found]
        scale, shift = np.ones(len(names)), np.zeros(len(names))
        for source in (finest, image):
            for step in source.get('coordinateTransformations', ()):
                if step['type'] == 'scale' and len(step.get('scale', ())) == len(names):
                    scale, shift = scale * step['scale'], shift * step['scale']
                place = step.get('translation', ())  # which may lie in a file instead
                if step['type'] == 'translation' and len(place) == len(names):
                    shift = shift + place
    except DataError:
        raise
    except Exception as error:  # metadata may be anything
        raise damaged(path, error) from error
    letters = ''.join(name.upper() for name in names)
    lengths = {
        axis: Length(float(value), str(unit), float(offset))
        for axis, value, unit, offset in zip(letters, scale, units, shift, strict=False)
        if axis not in CHANNELS and 0 < value < math.inf
    }
    version = version if version.startswith('0.') and version >= '0.5' else VERSION
    return array, letters, lengths, version


def _checked(letters: str, shape: tuple[int, ...], path: Path) -> str:
    if len(letters) != len(shape) or set(letters) - {*'TZCSYX'} or not {'Y', 'X'} <= {*letters}:
        raise UnsupportedError(
            f'{path} has the axes {letters or "(none)"} and the shape '
            f'{"x".join(map(str, shape))}: name its '
            'axes with --axes, such as TCZYX'
        )
    if not all(shape):
        raise damaged(path, 'it has no pixels')
    return letters
