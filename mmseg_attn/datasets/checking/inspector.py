"""Look at one image and its mask."""

import copy
from collections import Counter
from collections.abc import Callable

import numpy as np
from mmengine import fileio

from ...errors import DataError, TooLargeError, UnsupportedError
from ...io import DecodedImage, explain
from ..transforms import LoadStrictAnnotations
from .inspection import STRAY, Inspection
from .pictures import content, read_picture, tally

TURNING = ('color', 'grayscale')  # color_type with which loaders turn a picture as its EXIF says


class Inspector:
    """Looks at the pairs of one dataset; works in another process too.

    Args:
        image_loaders: The transforms that load an image.
        label_loaders: Those that load labels.
        classes: Number of classes; 0 if it is not known.
        ignore_index: Label of the pixels that do not count.
        backend_args: Where files are, as in MMEngine.
    """

    def __init__(
        self,
        image_loaders: list,
        label_loaders: list,
        *,
        classes: int,
        ignore_index: int,
        backend_args: dict | None = None,
    ) -> None:
        self.image_loaders = [copy.copy(each) for each in image_loaders]
        for each in self.image_loaders:
            each.to_float32 = False  # it would hide that 16 bits became 8
        self.unturned_loaders = [_without_turning(each) for each in self.image_loaders]
        self.label_loaders = [copy.copy(each) for each in label_loaders]
        self.strict = None
        for i, each in enumerate(self.label_loaders):
            if isinstance(each, LoadStrictAnnotations):
                self.strict = label_loaders[i]
                each.stray = each.color = 'ignore'  # all faults are wanted, not the first
        self.classes = classes
        self.ignore_index = ignore_index
        self.backend_args = backend_args
        self._loaded_as: dict[tuple, tuple[int, int]] = {}  # channels and bits

    def __call__(self, info: dict) -> Inspection:
        """Look at one image and its mask, which may be missing."""
        found = Inspection(info['img_path'], info.get('seg_map_path'))
        self._image(info, found)
        if found.mask is not None and self.label_loaders:
            self._mask(info, found)
        return found

    def _read(self, path: str, found: Inspection) -> tuple[bool, DecodedImage | None]:
        """Whether the file can be read, and what it holds if our readers know that."""
        try:
            data = fileio.get(path, backend_args=self.backend_args)
            return True, read_picture(data, name=path)
        except FileNotFoundError:  # noted with the list
            pass
        except (DataError, OSError) as error:
            self._add_failure(error, path, found)
        return False, None

    def _add_failure(self, error: Exception, path: str, found: Inspection) -> None:
        """Note a file that cannot be loaded, and what is wrong with it."""
        if not isinstance(error, OSError) or error.errno is None:  # not of the disk
            error = explain(error, path, fileio.get(path, backend_args=self.backend_args))
        kinds = {UnsupportedError: 'unsupported', TooLargeError: 'too-large'}
        text = str(error).removeprefix(f'{path} ').removeprefix('is ')
        text = text.removesuffix('; get it again').removesuffix(': get it again')
        found.add(kinds.get(type(error), 'unreadable'), path, text)

    def _image(self, info: dict, found: Inspection) -> None:
        path = found.image
        readable, picture = self._read(path, found)
        if not readable:
            return
        turned = False
        kind = picture and (path.rpartition('.')[2], picture.mode, picture.bits)
        try:
            if kind is None or kind not in self._loaded_as or picture.orientation > 1:
                image = self._load(self.image_loaders, info, 'img')
                self._loaded_as[kind] = _form(image)
                if picture is None:
                    picture = DecodedImage(image, '', bits=_form(image)[1])
                elif picture.orientation > 1:
                    unturned = self._load(self.unturned_loaders, info, 'img')
                    turned = not np.array_equal(image, unturned)
        except Exception as error:  # decoders raise nearly anything
            self._add_failure(error, path, found)
            return
        pixels, (channels, bits) = picture.pixels, self._loaded_as[kind]
        if pixels.ndim < 4:  # else a volume
            height, width = pixels.shape[:2]
            found.size = (height, width) if turned and picture.orientation > 4 else (width, height)
        if turned:
            found.add('turned', path, f'orientation {picture.orientation}')
        if picture.bits > bits:
            found.add('bit-depth', path, f'{picture.bits} to {bits} bits')
        if picture.channels != channels:
            found.add('converted', path, f'{picture.channels} to {channels} channels')
        if pixels.dtype.kind == 'f' and not np.isfinite(pixels).all():
            found.add('not-finite', path)
        if pixels.min() == pixels.max():
            found.add('blank', path, str(pixels.min()))
        else:
            found.content = content(pixels)

    def _load(self, loaders: list, info: dict, key: str) -> np.ndarray:
        results = dict(info, seg_fields=[])
        with np.errstate(invalid='ignore'):  # masks of floats become uint8
            for loader in loaders:
                if key not in results:
                    results = loader(results)
        return results[key]

    def _mask(self, info: dict, found: Inspection) -> None:
        path = found.mask
        readable, picture = self._read(path, found)
        if not readable:
            return
        try:
            labels = self._load(self.label_loaders, info, 'gt_seg_map')
        except Exception as error:
            self._add_failure(error, path, found)
            return
        raw = labels if picture is None else picture.pixels
        indices = picture is None or picture.mode != 'P' or not self.strict or self.strict.palette
        if labels.ndim != 2 or raw.ndim != 2 or not indices:
            ignored = self.strict is not None and self.strict.color == 'ignore'
            mode = picture.mode if picture else f'{labels.shape[-1]} channels'
            found.add('ignored-color' if ignored else 'color-mask', path, mode)
            return
        height, width = labels.shape
        if found.size not in (None, (width, height)):
            image = f'its image {found.size[0]}x{found.size[1]}'
            found.add('size', path, f'{width}x{height}, {image}')
        found.labels = content(labels)
        self._values(raw if raw.shape == labels.shape else labels, labels, found)

    def _values(self, raw: np.ndarray, labels: np.ndarray, found: Inspection) -> None:
        known = set(range(self.classes or 256)) | {self.ignore_index}
        allowed = set(range(256))
        if self.strict:
            allowed = set(range(self.strict.num_classes)) | {255}
        stray, ignored, pixels = Counter(), Counter(), Counter()
        table = tally(raw, labels)
        for value, label, count in table:
            if value not in allowed and self.strict and self.strict.stray == 'ignore':
                ignored[f'{value:g}'] += count
            elif value not in allowed or label not in known:
                stray[f'{value:g}'] += count
                label = STRAY
            pixels[label] += count
        found.pixels = dict(pixels)
        if {value for value, _, _ in table} == {0, 255}:
            found.only_0_255 = not stray
            if stray:
                found.add('0-255', found.mask)
        elif stray:
            found.add('stray-label', found.mask, '', dict(stray))
        if ignored:
            found.add('ignored-label', found.mask, '', dict(ignored))


def _without_turning(loader: Callable) -> Callable:
    loader = copy.copy(loader)
    if getattr(loader, 'color_type', '') in TURNING and loader.imdecode_backend != 'turbojpeg':
        loader.color_type += '_ignore_orientation'
    return loader


def _form(image: np.ndarray) -> tuple[int, int]:
    """Channels and bits of a loaded image."""
    return 1 if image.ndim == 2 else image.shape[2], 8 * image.dtype.itemsize
