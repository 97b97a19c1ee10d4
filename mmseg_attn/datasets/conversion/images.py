"""Read and write 8-bit images with one channel."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from .errors import ConversionError

_PNG_START, _PNG_END = b'\x89PNG', b'IEND\xaeB`\x82'


def read_gray8(path: Path) -> np.ndarray:
    """Decode a grayscale PNG or TIFF completely.

    Returns:
        The grey values, (H, W) and uint8.

    Raises:
        ConversionError: If the file is truncated or damaged, has more than one channel or page,
            or does not have 8 bits.
        OSError: If the file cannot be read.
    """
    data = path.read_bytes()
    try:
        with _strict_pillow():
            with _open(data) as image:
                image.verify()  # checksums; the image must be opened again afterwards
            with _open(data) as image:
                image.load()
                mode, pages = image.mode, getattr(image, 'n_frames', 1)
                pixels = np.array(image)
    except Exception as error:  # on damaged input Pillow raises nearly anything
        raise ConversionError(f'{path} is truncated or damaged: {error}') from error
    if data.startswith(_PNG_START) and _PNG_END not in data:
        raise ConversionError(f'{path} is truncated or damaged: its end is missing')
    if mode != 'L' or pages != 1:
        raise ConversionError(
            f'{path} must have one 8-bit channel and one page, but has {pages} of mode {mode}: '
            'use the original files'
        )
    return pixels


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write grey values, (H, W) and uint8, as a PNG."""
    Image.fromarray(pixels).save(path, format='PNG')


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=('PNG', 'TIFF'))


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Truncated files raise, whatever other libraries have set; Pillow's warnings are silent."""
    setting = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = setting
