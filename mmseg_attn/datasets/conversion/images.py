"""Read pictures strictly and write images with one 8-bit channel."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from .errors import ConversionError

_PNG_START, _PNG_END = b'\x89PNG', b'IEND\xaeB`\x82'


def decode_image(
    data: bytes, *, name: str | Path, formats: Sequence[str] | None = ('PNG', 'TIFF')
) -> tuple[np.ndarray, str]:
    """Decode the content of an image file completely.

    Args:
        data: The bytes of the file.
        name: The name of the file, for messages.
        formats: Pillow's names of the accepted formats; ``None`` accepts all.

    Returns:
        The pixels as they are stored, (H, W) or (H, W, C), and Pillow's name of their mode.

    Raises:
        ConversionError: If the file is truncated or damaged, in another format, or has several
            pages.
    """
    with open_image(data, name=name, formats=formats) as image:
        image.load()
        mode, pages = image.mode, count_pages(image)
        pixels = np.array(image)
    if pages != 1:
        raise ConversionError(f'{name} must have one page, but has {pages} of mode {mode}')
    return pixels, mode


@contextlib.contextmanager
def open_image(
    data: bytes, *, name: str | Path, formats: Sequence[str] | None
) -> Iterator[Image.Image]:
    """Open an image file strictly, for ``decode_image`` and for readers of several pages.

    Raises:
        ConversionError: If opening it, or anything done to it meanwhile, finds that the file is
            truncated, damaged or in another format.
    """
    try:
        with _strict_pillow():
            with _open(data, formats) as image:
                image.verify()  # checksums; the image must be opened again afterwards
            with _open(data, formats) as image:
                yield image
    except ConversionError:
        raise
    except UnidentifiedImageError as error:
        kind = ' or '.join(formats or ['picture'])
        raise ConversionError(f'{name} is truncated or damaged, or no {kind}') from error
    except Exception as error:  # on damaged input Pillow raises nearly anything
        raise ConversionError(f'{name} is truncated or damaged: {error}') from error
    if data.startswith(_PNG_START) and _PNG_END not in data:
        raise ConversionError(f'{name} is truncated or damaged: its end is missing')


def count_pages(image: Image.Image) -> int:
    """The pages of a file; a camera's JPEG with a preview behind the photograph has one."""
    return 1 if image.format == 'MPO' else getattr(image, 'n_frames', 1)


def read_gray8(path: Path) -> np.ndarray:
    """Decode a grayscale PNG or TIFF completely.

    Returns:
        The grey values, (H, W) and uint8.

    Raises:
        ConversionError: If the file is truncated or damaged, has more than one channel or page,
            or does not have 8 bits.
        OSError: If the file cannot be read.
    """
    pixels, mode = decode_image(path.read_bytes(), name=path)
    if mode != 'L':
        raise ConversionError(
            f'{path} must have one 8-bit channel, but is of mode {mode}: use the original files'
        )
    return pixels


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write grey values, (H, W) and uint8, as a PNG."""
    Image.fromarray(pixels).save(path, format='PNG')


def _open(data: bytes, formats: Sequence[str] | None) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=formats)


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
