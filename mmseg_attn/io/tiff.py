"""Read TIFF files with tifffile by their series, axes, sample format and photometric tags.

The extra ``medical`` installs tifffile. Pillow reads plain files (see ``tiff_tags.py``), so that an
install without extras changes no other package.
"""

import contextlib
import io
import logging
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, TooLargeError, UnsupportedError, damaged
from .decoded import DecodedImage
from .libraries import library, numpy_kept
from .limits import check_size
from .tiff_tags import (
    CMYK,
    GRAY,
    ORIENTATION,
    PALETTE,
    PHOTOMETRIC,
    RGB,
    WHITE_IS_ZERO,
    YCBCR,
    first_tags,
    is_stack,
)

NAMES = {
    4: 'a mask',
    6: 'YCbCr',
    8: 'CIELAB',
    9: 'ICCLAB',
    10: 'ITULAB',
    32803: 'raw sensor data (CFA)',
}
ALPHA = (1, 2)  # values of EXTRA
JPEG = (6, 7, 33007, 34892)
SLICES = 'ZTIQRM'  # tifffile's axes of separate images
GENERIC = ('generic', 'uniform')  # tifffile's kinds of series of files without metadata
SLIDES = ('svs', 'ndpi', 'scn', 'bif', 'qpi', 'philips', 'indica', 'avs', 'sis', 'lsm', 'eer')
MODES = {'u1': 'L', 'b1': '1', 'u2': 'I;16', 'i4': 'I', 'f4': 'F'}
NOT_DECODED = re.compile(r'support|implement|cannot decode|unknown|not a (valid|known)', re.I)


def read_tiff(data: bytes, *, name: str | Path) -> list[DecodedImage]:
    """Read the images of a TIFF file with tifffile.

    Args:
        data: The bytes of the file.
        name: The file, for messages.

    Returns:
        The pages, or the planes of a stack with fewer pages; the full resolution of pyramids and
        whole slides. Previews and transparency masks are skipped.

    Raises:
        DamagedError: If the file is damaged.
        UnsupportedError: If the file has an unsupported property, or tifffile is missing.
        TooLargeError: If the file exceeds the limit.
    """
    tifffile = library('tifffile', 'such TIFF')
    try:
        with _quiet(), tifffile.TiffFile(io.BytesIO(data)) as file:
            parts = _parts(file, data, name)
            total = sum(math.prod(part.shape) * part.dtype.itemsize for part in parts)
            check_size(name, (total,), 1)
            images = []
            for part in parts:
                _check_segments(part, len(data), name)
                images += _images(part, name)
            return images
    except DataError:
        raise
    except MemoryError as error:
        raise TooLargeError(f'{name} does not fit into the memory: cut it into tiles') from error
    except Exception as error:  # on damaged input tifffile raises nearly anything
        text = ' '.join(str(error).split())
        if 'imagecodecs' in text:
            raise UnsupportedError(
                f'{name} has a compression that needs imagecodecs ({text}): pip install '
                f'imagecodecs {numpy_kept()}'
            ) from error
        named = NOT_DECODED.search(text) and not isinstance(error, TypeError | AttributeError)
        if isinstance(error, NotImplementedError) or named:
            raise UnsupportedError(
                f'{name} is a TIFF file that tifffile cannot decode ({text}): save it without '
                'compression'
            ) from error
        raise damaged(name, error) from error


def _parts(file: Any, data: bytes, name: str | Path) -> list[Any]:
    """Return tifffile's pages or series that are images, in the order of the file."""
    try:
        kind = file.series[0].kind.lower()
    except Exception:  # the description is not valid
        kind = GENERIC[0]
    tags = first_tags(data)[0]
    if kind in GENERIC or (kind == 'imagej' and tags and not is_stack(tags)):
        parts = list(type(file)(io.BytesIO(data)).pages)  # finding series may have merged some
        if len(parts) == 1 and is_stack(tags):
            raise UnsupportedError(
                f'{name} contains one image, but its description names several: save it again'
            )
    else:
        parts = list(file.series[:1] if kind in SLIDES else file.series)
    if not parts:
        raise damaged(name, 'it contains no image')
    pages = [part.keyframe for part in parts]
    parts = [part for part in parts if not (part.keyframe.is_reduced or part.keyframe.is_mask)]
    if not parts and any(page.subifds for page in pages):
        raise UnsupportedError(
            f'{name} contains its image below an overview (SubIFD), like raw files of cameras: '
            'save it as a separate TIFF'
        )
    if not parts:
        raise UnsupportedError(
            f'{name} contains only overviews or masks: use the file of the image'
        )
    if kind == 'ome' and len(parts) > 1:
        raise UnsupportedError(f'{name} contains {len(parts)} OME images: save one image per file')
    for part in parts:
        if part.dtype is None:
            key = part.keyframe
            raise UnsupportedError(
                f'{name} has {key.bitspersample} bits of sample format {int(key.sampleformat)}: '
                'save it as 8 or 16-bit integers or 32-bit floats'
            )
    return parts


def _check_segments(part: Any, length: int, name: str | Path) -> None:
    """Reject files with missing strips or tiles, which tifffile would fill."""
    if getattr(part, 'dataoffset', None) is not None:  # one block, which is read completely
        return
    for page in _pages(part):
        if page is None:
            raise UnsupportedError(
                f'{name} has no planes, as they are in other files: join the files'
            )
        if not page.keyframe.is_contiguous:
            if len(page.dataoffsets) < math.prod(page.keyframe.chunked):
                raise damaged(name, 'strips or tiles are missing')
            ends = zip(page.dataoffsets, page.databytecounts, strict=False)
            if any(offset + count > length for offset, count in ends):
                raise damaged(name, 'its end is missing')


def _pages(part: Any) -> list[Any]:
    """Return the pages of a series, or the page itself."""
    return list(part.pages) if hasattr(part, 'levels') else [part]


def _images(part: Any, name: str | Path) -> Iterator[DecodedImage]:
    """Read the slices of a page or series, with the meaning of their values."""
    key = part.keyframe
    if PHOTOMETRIC not in key.tags:
        raise UnsupportedError(
            f'{name} has no PhotometricInterpretation, so that 0 may be black or white: save it '
            'again'
        )
    photometric, bits = int(key.photometric), key.bitspersample
    if not isinstance(bits, int):
        raise UnsupportedError(
            f'{name} has {", ".join(map(str, bits))} bits in its channels: save it with 8 bits in '
            'each'
        )
    if photometric == YCBCR and int(key.compression) in JPEG:
        photometric = RGB  # the decoder has converted it
    slices = _slices(part.asarray(), part.axes, name)
    samples = slices.shape[3] if slices.ndim == 4 else 1
    if photometric == CMYK and (samples, bits) != (4, 8):
        raise UnsupportedError(f'{name} has {samples} inks of {bits} bits: save it in RGB')
    if photometric not in (WHITE_IS_ZERO, GRAY, RGB, PALETTE, CMYK):
        kind = NAMES.get(photometric) or f'photometric interpretation {photometric}'
        raise UnsupportedError(f'{name} is stored as {kind}: save it in gray or RGB')
    if slices.dtype.kind not in 'uifb' or (1 < bits < 8 and photometric != PALETTE):
        raise UnsupportedError(
            f'{name} contains {bits}-bit {slices.dtype} values: save it with 8, 16 or 32 bits'
        )
    if slices.dtype == np.float16:
        slices = slices.astype(np.float32)
    slices = slices.astype(slices.dtype.newbyteorder('='), copy=False)
    palette = None
    if photometric == PALETTE:
        colors = np.asarray(key.colormap).T  # some writers use 8 of the 16 bits
        palette = (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)
    alpha = samples > 1 and bool(key.extrasamples) and int(key.extrasamples[-1]) in ALPHA
    pages = [getattr(page, 'offset', None) for page in _pages(part)]
    if len(pages) != len(slices):
        pages = [None] * len(slices)
    for image, page in zip(slices, pages, strict=True):
        yield DecodedImage(
            np.ascontiguousarray(image),
            _mode(image, photometric, alpha=alpha),
            bits,
            palette,
            photometric == WHITE_IS_ZERO,
            alpha,
            key.tags.valueof(ORIENTATION, 1) or 1,
            page,
        )


def _slices(pixels: np.ndarray, axes: str, name: str | Path) -> np.ndarray:
    """Order axes as (slices, H, W) or (slices, H, W, samples)."""
    single = [i for i, axis in enumerate(axes) if axis not in 'YX' and pixels.shape[i] == 1]
    pixels = pixels.squeeze(tuple(single))
    axes = ''.join(axis for i, axis in enumerate(axes) if i not in single)
    for axis, count in zip(axes, pixels.shape, strict=True):
        if axis not in f'YXS{SLICES}':
            planes = f'{count} channels' if axis == 'C' else f'an axis {axis} of {count} images'
            raise UnsupportedError(
                f'{name} contains {planes} as separate planes ({axes}): save each plane as a '
                'separate file, or all planes as the bands of one image'
            )
    order = [axes.index(axis) for axis in 'YXS' if axis in axes]
    if len(order) < 2:
        raise UnsupportedError(f'{name} has the axes {axes} and is not an image: save it again')
    others = [i for i in range(len(axes)) if i not in order]
    pixels = pixels.transpose(*others, *order)
    return pixels.reshape(-1, *pixels.shape[len(others) :])


def _mode(image: np.ndarray, photometric: int, *, alpha: bool) -> str:
    """Return Pillow's name of a pixel format or, if there is none, a description."""
    kind = image.dtype.str[1:]
    if image.ndim == 2:
        return 'P' if photometric == PALETTE else MODES.get(kind, str(image.dtype))
    bands = image.shape[2]
    if photometric == PALETTE and alpha and bands == 2:
        return 'PA'
    if photometric == CMYK:
        return 'CMYK'
    if photometric == RGB and bands >= 3:
        name = {3: 'RGB', 4: 'RGBA' if alpha else 'RGB+1'}.get(bands, f'RGB+{bands - 3}')
    else:
        name = 'LA' if bands == 2 and alpha else f'{bands} bands'
    return name if kind == 'u1' else f'{name} of {image.dtype}'


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress messages of tifffile about tags that are not used."""
    logger = logging.getLogger('tifffile')
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
