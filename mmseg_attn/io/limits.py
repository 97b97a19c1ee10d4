"""Limit the size of decoded files."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, TooLargeError

MAX_IMAGE_GIB, MAX_IMAGE_VARIABLE = 4.0, 'MMSEG_ATTN_MAX_IMAGE_GIB'


def max_image_bytes() -> int:
    """Return the largest size of a decoded file: 4 GiB, or ``MMSEG_ATTN_MAX_IMAGE_GIB``, in bytes.

    Raises:
        DataError: If the environment variable is not a number.
    """
    text = os.environ.get(MAX_IMAGE_VARIABLE, '')
    try:
        return int(float(text or MAX_IMAGE_GIB) * 2**30)
    except (ValueError, OverflowError) as error:
        raise DataError(f'{MAX_IMAGE_VARIABLE} is {text!r}: set it to a number of GiB') from error


def check_size(name: str | Path, sides: Sequence[int], pixel_bytes: int) -> None:
    """Check the size of an image or volume before it is decoded.

    Args:
        name: The file.
        sides: The number of pixels along each axis.
        pixel_bytes: The bytes of a pixel.

    Raises:
        TooLargeError: If the size exceeds :func:`max_image_bytes`.
    """
    size, limit = math.prod(map(int, sides)) * pixel_bytes, max_image_bytes()
    if size > limit:
        raise TooLargeError(
            f'{name} has {"x".join(map(str, sides))} pixels, {size / 2**30:.1f} GiB in memory, '
            f'more than the limit of {limit / 2**30:g} GiB: cut it into tiles, or raise the limit '
            f'with the environment variable {MAX_IMAGE_VARIABLE}'
        )
