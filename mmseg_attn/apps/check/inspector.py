"""Inspect one image and its mask."""

import copy
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from mmengine import fileio
from PIL import UnidentifiedImageError

from ...datasets.pipelines import keeps_values
from ...datasets.rules import is_0_255, is_color, is_stray
from ...datasets.transforms import LoadNeighbors, LoadRaster, LoadStrictAnnotations
from ...errors import DataError, TooLargeError, UnsupportedError
from ...io import DecodedImage, explain, is_finite, read_image

SCENE = 4096, 4096  # rows and columns; of larger scenes, a random part is inspected
STRAY = -1  # key of all labels that are not a class
ORIENTING = ('color', 'grayscale')  # color_type with which loaders apply the EXIF orientation


class Problem(NamedTuple):
    """A fault of a file.

    Attributes:
        kind: A key of ``KINDS``.
        path: The file.
        note: Details of this file.
        values: Pixels of each value at fault.
    """

    kind: str
    path: str
    note: str = ''
    values: dict[str, int] | None = None


@dataclass
class Inspection:
    """The result of the inspection of an image and its mask.

    Attributes:
        image: File of the image.
        mask: File of the mask; ``None`` if there is none.
        problems: Faults of both files.
        size: Width and height of the loaded image.
        content: Digest of the pixels of the image; ``None`` if all have one value.
        labels: Digest of the labels.
        pixels: Number of pixels of each loaded label and of ``STRAY``; ``None`` if the labels
            cannot be loaded.
        only_0_255: Whether the file of the mask contains only 0 and 255, and 255 is a known label.
    """

    image: str
    mask: str | None
    problems: list[Problem] = field(default_factory=list)
    size: tuple[int, int] | None = None
    content: str | None = None
    labels: str | None = None
    pixels: dict[int, int] | None = None
    only_0_255: bool = False

    def add(self, *problem) -> None:
        """Add a problem."""
        self.problems.append(Problem(*problem))


class Inspector:
    """Inspect the images and masks of one dataset, also in another process.

    Args:
        image_loaders: The transforms that load an image.
        label_loaders: The transforms that load labels.
        classes: Number of classes; 0 if it is not known.
        ignored: Label of the ignored pixels.
        backend_args: File backend, as in MMEngine.
    """

    def __init__(
        self,
        image_loaders: list,
        label_loaders: list,
        *,
        classes: int,
        ignored: int,
        backend_args: dict | None = None,
    ) -> None:
        self.image_loaders = [copy.copy(loader) for loader in image_loaders]
        for loader in self.image_loaders:
            loader.to_float32 = False  # it would hide a reduction from 16 to 8 bits
            if isinstance(loader, LoadNeighbors):
                loader.neighbors = 0  # it would look like a conversion of channels
            if isinstance(loader, LoadRaster):
                loader.crop_size = SCENE
        self.rasters = any(isinstance(loader, LoadRaster) for loader in image_loaders)
        self.unoriented_loaders = [_without_orientation(loader) for loader in self.image_loaders]
        self.label_loaders = [copy.copy(loader) for loader in label_loaders]
        self.keeps_values = all(map(keeps_values, self.label_loaders))
        self.strict = None
        for original, loader in zip(label_loaders, self.label_loaders, strict=True):
            if isinstance(loader, LoadStrictAnnotations) and not self.rasters:
                self.strict = original
                loader.stray = loader.color = 'ignore'  # so that it reports all faults
        self.classes = classes
        self.ignored = ignored
        self.backend_args = backend_args
        self._loaded_as: dict[tuple, tuple[int, int]] = {}  # channels and bits by type of file

    def __call__(self, info: dict) -> Inspection:
        """Inspect one image and its mask; both may be missing."""
        inspection = Inspection(info['img_path'], info.get('seg_map_path'))
        self._image(info, inspection)
        failed = self.rasters and inspection.size is None  # their labels need the image
        if inspection.mask is not None and self.label_loaders and not failed:
            self._mask(info, inspection)
        return inspection

    def _read(self, path: str, inspection: Inspection) -> tuple[bool, DecodedImage | None]:
        """Return whether the file can be read, and its content if our readers know its type."""
        if self.rasters:  # GDAL reads more types, and knows which pixels have no data
            return True, None
        try:
            data = fileio.get(path, backend_args=self.backend_args)
            return True, decode(data, name=path)
        except FileNotFoundError:  # already reported by list_dataset
            pass
        except (DataError, OSError) as error:
            self._add_failure(error, path, inspection)
        return False, None

    def _add_failure(self, error: Exception, path: str, inspection: Inspection) -> None:
        """Add a file that cannot be loaded, with the reason."""
        # of a loader that has read the file, such as of fewer bands than the config names
        other = 'unsupported' if type(error) is DataError else 'unreadable'
        if not isinstance(error, OSError) or error.errno is None:  # not of the disk
            error = explain(error, path, fileio.get(path, backend_args=self.backend_args))
        kinds = {UnsupportedError: 'unsupported', TooLargeError: 'too-large'}
        text = str(error).removeprefix(f'{path} ').removeprefix('is ')
        text = text.removesuffix('; get it again').removesuffix(': get it again')
        inspection.add(kinds.get(type(error), other), path, text)

    def _image(self, info: dict, inspection: Inspection) -> None:
        path = inspection.image
        readable, stored = self._read(path, inspection)
        if not readable:
            return
        oriented = False
        kind = stored and (path.rpartition('.')[2], stored.mode, stored.bits)
        try:
            if kind is None or kind not in self._loaded_as or stored.orientation > 1:
                image = self._load(self.image_loaders, info, 'img')
                self._loaded_as[kind] = _channels_and_bits(image)
                if stored is None:
                    stored = DecodedImage(image, '', bits=_channels_and_bits(image)[1])
                elif stored.orientation > 1:
                    unoriented = self._load(self.unoriented_loaders, info, 'img')
                    oriented = not np.array_equal(image, unoriented)
        except FileNotFoundError:  # already reported by list_dataset
            return
        except Exception as error:  # decoders raise nearly anything
            self._add_failure(error, path, inspection)
            return
        pixels, (channels, bits) = stored.pixels, self._loaded_as[kind]
        if pixels.ndim < 4:  # else a volume
            height, width = pixels.shape[:2]
            swapped = oriented and stored.orientation > 4
            inspection.size = (height, width) if swapped else (width, height)
        if oriented:
            inspection.add('orientation', path, f'orientation {stored.orientation}')
        if stored.bits > bits:
            inspection.add('bit-depth', path, f'{stored.bits} to {bits} bits')
        if stored.channels != channels:
            inspection.add('converted', path, f'{stored.channels} to {channels} channels')
        if not is_finite(pixels):
            inspection.add('not-finite', path)
        if pixels.min() == pixels.max():
            inspection.add('blank', path, str(pixels.min()))
        else:
            inspection.content = _digest(pixels)

    def _load(self, loaders: list, info: dict, key: str) -> np.ndarray:
        results = dict(info, seg_fields=[])
        with np.errstate(invalid='ignore'):  # masks of floats become uint8
            for loader in loaders:
                if key not in results:
                    results = loader(results)
        return results[key]

    def _mask(self, info: dict, inspection: Inspection) -> None:
        path = inspection.mask
        readable, stored = self._read(path, inspection)
        if not readable:
            return
        images = self.image_loaders if self.rasters else []  # which pixels have data
        try:
            labels = self._load([*images, *self.label_loaders], info, 'gt_seg_map')
        except FileNotFoundError:
            return
        except Exception as error:
            self._add_failure(error, path, inspection)
            return
        if stored is None or not self.keeps_values:
            raw, mode = labels, ''
        else:
            raw, mode = stored.pixels, stored.mode
        palette = self.strict is None or self.strict.palette
        if is_color(labels) or is_color(raw, mode, palette=palette):
            ignored = self.strict is not None and self.strict.color == 'ignore'
            note = mode if stored else f'{labels.shape[-1]} channels'
            inspection.add('ignored-color' if ignored else 'color-mask', path, note)
            return
        height, width = labels.shape
        if inspection.size not in (None, (width, height)):
            image = f'its image {inspection.size[0]}x{inspection.size[1]}'
            inspection.add('size', path, f'{width}x{height}, {image}')
        inspection.labels = _digest(labels)
        self._values(raw if raw.shape == labels.shape else labels, labels, inspection)

    def _values(self, raw: np.ndarray, labels: np.ndarray, inspection: Inspection) -> None:
        values, value_labels, counts = _tally(raw, labels)
        # a loader that is not strict keeps the lowest 8 bits
        unknown = is_stray(values, self.strict.num_classes if self.strict else 256)
        ignores = self.strict is not None and self.strict.stray == 'ignore'
        ignored = unknown & ignores
        no_class = is_stray(value_labels, self.classes or 256, ignored=self.ignored)
        stray = (unknown | no_class) & ~ignored
        pixels = Counter()
        counted = np.where(stray, STRAY, value_labels.astype(int)).tolist()
        for label, count in zip(counted, counts.tolist(), strict=True):
            pixels[label] += count
        inspection.pixels = dict(pixels)
        if is_0_255(values.tolist()):
            inspection.only_0_255 = 0 in values and not stray.any() and not self.rasters
            if stray.any():
                inspection.add('0-255', inspection.mask)
        elif stray.any():
            inspection.add('stray-label', inspection.mask, '', _pixels(values, counts, stray))
        if ignored.any():
            inspection.add('ignored-label', inspection.mask, '', _pixels(values, counts, ignored))


def decode(data: bytes, *, name: str) -> DecodedImage | None:
    """Decode a file completely, as it is stored.

    Args:
        data: Bytes of the file.
        name: Name of the file.

    Returns:
        Its content; ``None`` if none of our readers knows its type.

    Raises:
        DataError: If the file is damaged, not supported or too large.
    """
    try:
        return read_image(data, name=name, formats=None)
    except DataError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None
        raise


def _digest(pixels: np.ndarray) -> str:
    """Hash pixels and shape."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()


def _tally(raw: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the values of a mask.

    Args:
        raw: Pixels of the file, (H, W).
        labels: Loaded labels, (H, W); equal values have equal labels.

    Returns:
        The distinct values, the label of each and its number of pixels.
    """
    if raw.dtype == bool:
        raw = raw.view(np.uint8)
    if raw.dtype in (np.uint8, np.uint16):  # many times faster than sorting
        counts = np.bincount(raw.ravel())
        lookup = np.zeros(len(counts), dtype=labels.dtype)
        lookup[raw] = labels
        values = np.flatnonzero(counts)
        return values, lookup[values], counts[values]
    values, first, counts = np.unique(raw, return_index=True, return_counts=True)
    return values, labels.ravel()[first], counts


def _pixels(values: np.ndarray, counts: np.ndarray, selected: np.ndarray) -> dict[str, int]:
    """Return the number of pixels of each selected value."""
    pairs = zip(values[selected].tolist(), counts[selected].tolist(), strict=True)
    return {f'{value:g}': count for value, count in pairs}


def _without_orientation(loader: Callable) -> Callable:
    loader = copy.copy(loader)
    if getattr(loader, 'color_type', '') in ORIENTING and loader.imdecode_backend != 'turbojpeg':
        loader.color_type += '_ignore_orientation'
    return loader


def _channels_and_bits(image: np.ndarray) -> tuple[int, int]:
    """Return the channels and bits of a loaded image."""
    return 1 if image.ndim == 2 else image.shape[2], 8 * image.dtype.itemsize
