"""Read images strictly and write images with one 8-bit channel.

Every reader of images uses :func:`read_images`, which distinguishes damaged, unsupported and too
large files by its errors.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import DamagedError, DataError, TooLargeError, UnsupportedError
from .decoded import DecodedImage
from .pillow import read_with_pillow
from .tiff import read_tiff
from .tiff_tags import first_tags, is_plain, is_tiff


def read_images(
    data: bytes, *, name: str | Path, formats: Sequence[str] | None = None
) -> list[DecodedImage]:
    """Decode the content of an image file completely.

    Args:
        data: The bytes of the file.
        name: The name of the file, for messages.
        formats: Pillow's names of the accepted formats; ``None`` accepts all.

    Returns:
        The image, or the pages of a TIFF file without previews, overviews and masks.

    Raises:
        DamagedError: If the file is damaged.
        UnsupportedError: If the file has another format or an unsupported property.
        TooLargeError: If the decoded image exceeds the limit.
    """
    if not is_tiff(data) or (formats is not None and 'TIFF' not in formats):
        return [read_with_pillow(data, name, formats)]
    tags, failure = first_tags(data)[0], None
    if is_plain(data):
        try:
            return [read_with_pillow(data, name, ('TIFF',))]
        except DamagedError as error:  # tifffile supports more files
            failure = error
    try:
        return read_tiff(data, name=name)
    except DataError as error:
        if isinstance(error.__cause__, ImportError) and not tags:  # it may be damaged
            read_with_pillow(data, name, ('TIFF',))
        raise failure or error from error.__cause__


def read_image(
    data: bytes, *, name: str | Path, formats: Sequence[str] | None = ('PNG', 'TIFF')
) -> DecodedImage:
    """Decode the content of a file with one image, with the arguments of :func:`read_images`.

    Raises:
        DataError: As in :func:`read_images`, or if there are several pages.
    """
    image, *others = read_images(data, name=name, formats=formats)
    if others:
        raise UnsupportedError(
            f'{name} has {1 + len(others)} pages of mode {image.mode} instead of one: save one '
            'page per file'
        )
    return image


def decode_image(
    data: bytes, *, name: str | Path, formats: Sequence[str] | None = ('PNG', 'TIFF')
) -> tuple[np.ndarray, str]:
    """Decode the content of a file whose stored values have a meaning, such as labels.

    Returns:
        The pixels as they are stored, (H, W) or (H, W, C), and the name of their mode in Pillow.

    Raises:
        DataError: As in :func:`read_image`, or if 0 is white.
    """
    image = read_image(data, name=name, formats=formats)
    return image.labels(name), image.mode


def explain(error: Exception, name: str | Path, data: bytes | None = None) -> DataError:
    """Explain in one sentence why a loader of another package failed on a file.

    Args:
        error: The exception of the loader.
        name: The file.
        data: The bytes of the file; ``None`` reads the file.

    Returns:
        An error that names the fault of the file or, if the file is intact, of the loader.
    """
    if isinstance(error, DataError):
        return error if isinstance(error, DataError) else DataError(str(error))
    text = ' '.join(str(error).split())[:300]
    reason = f'{type(error).__name__}: {text}'
    try:
        image, *others = read_images(Path(name).read_bytes() if data is None else data, name=name)
    except DataError as fault:
        known = isinstance(error, UnidentifiedImageError | cv2.error | AssertionError)
        if (
            isinstance(fault.__cause__, UnidentifiedImageError) and not known
        ):  # a format of the user
            return DataError(f'{name} cannot be loaded ({reason}): check the file and its loader')
        return fault
    except OSError as missing:
        return DataError(
            f'{name} cannot be read ({missing.strerror or missing}): check the path and permissions'
        )
    height, width = image.pixels.shape[:2]
    if isinstance(error, Image.DecompressionBombError):
        return TooLargeError(
            f'{name} has {width * height} pixels, more than the {2 * Image.MAX_IMAGE_PIXELS} that '
            "Pillow reads: set imdecode_backend='cv2' in the loader, or cut it into tiles"
        )
    if 'IO_MAX_IMAGE' in text:
        return TooLargeError(
            f'{name} has {width}x{height} pixels, more than OpenCV reads (1073741824): raise the '
            'environment variable OPENCV_IO_MAX_IMAGE_PIXELS, or cut it into tiles'
        )
    pages = f'{1 + len(others)} pages of ' if others else ''
    return UnsupportedError(
        f'{name} is intact ({pages}{width}x{height}, {image.mode}, {image.bits} bits), but the '
        f'loader in the config cannot read it ({reason}): choose another imdecode_backend, or '
        'convert the file'
    )


def read_gray8(path: Path) -> np.ndarray:
    """Decode a grayscale PNG or TIFF completely.

    Returns:
        The gray values, (H, W) and uint8.

    Raises:
        DataError: As in :func:`decode_image`, or if the file has more than one channel, or
            does not have 8 bits.
        OSError: If the file cannot be read.
    """
    pixels, mode = decode_image(path.read_bytes(), name=path)
    if mode != 'L':
        raise UnsupportedError(
            f'{path} has the mode {mode} instead of one 8-bit channel: use the original files'
        )
    return pixels


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write gray values or labels, (H, W) and uint8 or uint16, as a PNG."""
    Image.fromarray(pixels).save(path, format='PNG')
