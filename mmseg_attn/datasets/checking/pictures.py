"""What a file holds, before a pipeline turns it into something else."""

import hashlib

import numpy as np
from PIL import UnidentifiedImageError

from ...errors import DataError
from ...io import DecodedImage, read_image


def read_picture(data: bytes, *, name: str) -> DecodedImage | None:
    """Decode a file completely.

    Args:
        data: The bytes of the file.
        name: The name of the file.

    Returns:
        What it holds; ``None`` if none of our readers can tell what it is.

    Raises:
        DataError: If the file is damaged, not supported or too large.
    """
    try:
        return read_image(data, name=name, formats=None)
    except DataError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None
        raise


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
