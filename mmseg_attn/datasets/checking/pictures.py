"""What a file holds, before a pipeline turns it into something else."""

import hashlib
import io
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..conversion import ConversionError, decode_image

_BITS = {'1': 1, 'I;16': 16, 'I;16B': 16, 'I;16L': 16, 'I': 32, 'F': 32}  # else 8
_PNG_START, _PNG_DEPTH_AT = b'\x89PNG\r\n\x1a\n', 24
_TIFF_BITS, _EXIF_ORIENTATION = 258, 274


class Picture(NamedTuple):
    """A decoded file.

    Attributes:
        pixels: As they are stored, (H, W) or (H, W, C); numbers of a palette, if there is one.
        mode: Pillow's name of the kind of pixels.
        channels: Colours count as three, also in a palette.
        bits: Per channel.
        orientation: Of EXIF: 1 is upright, 5 to 8 exchange height and width.
    """

    pixels: np.ndarray
    mode: str
    channels: int
    bits: int
    orientation: int


def read_picture(data: bytes, *, name: str) -> Picture | None:
    """Decode a file completely.

    Args:
        data: The bytes of the file.
        name: The name of the file.

    Returns:
        What it holds; ``None`` if Pillow cannot tell what it is.

    Raises:
        ConversionError: If the file is truncated or damaged.
    """
    try:
        pixels, mode = decode_image(data, name=name, formats=None)
    except ConversionError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None
        raise
    with Image.open(io.BytesIO(data)) as header:
        bits = max(_BITS.get(mode, 8), _stored_bits(data, header))
        orientation = header.getexif().get(_EXIF_ORIENTATION, 1)
    channels = 3 if mode == 'P' else 1 if pixels.ndim == 2 else pixels.shape[2]
    return Picture(pixels, mode, channels, bits, orientation)


def _stored_bits(data: bytes, header: Image.Image) -> int:
    """Pillow decodes some pictures of 16 bits to 8, so the files' own headers are asked."""
    if data.startswith(_PNG_START):
        return data[_PNG_DEPTH_AT]
    return max(getattr(header, 'tag_v2', {}).get(_TIFF_BITS, (0,)))


def content(pixels: np.ndarray) -> str:
    """A short name that only equal pixels share."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()


def tally(raw: np.ndarray, labels: np.ndarray) -> list[tuple[float, int, int]]:
    """Count the values of a mask.

    Args:
        raw: What the file holds, (H, W).
        labels: What a loader makes of it, (H, W); the same value becomes the same label.

    Returns:
        Every value with its label and its number of pixels.
    """
    if raw.dtype == bool:
        raw = raw.view(np.uint8)
    if raw.dtype in (np.uint8, np.uint16):  # many times faster than sorting
        counts = np.bincount(raw.ravel())
        lookup = np.zeros(len(counts), dtype=labels.dtype)
        lookup[raw] = labels
        values = np.flatnonzero(counts)
        counts, of = counts[values], lookup[values]
    else:
        values, first, counts = np.unique(raw, return_index=True, return_counts=True)
        of = labels.ravel()[first]
    return list(zip(values.tolist(), of.tolist(), counts.tolist(), strict=True))
