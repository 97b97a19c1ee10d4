"""Folders of images and masks as users have them."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64


def draw(seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Draw gray values with a bright disk, and True inside of it."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    y, x = rng.uniform(size / 4, 3 * size / 4, 2)
    disk = (rows - y) ** 2 + (columns - x) ** 2 < (size / 6) ** 2
    image = 90 + 80 * disk + rng.normal(0, 12, disk.shape)
    return image.clip(1, 254).astype(np.uint8), disk


def save(path: Path, pixels: np.ndarray, **options) -> None:
    """Write an image, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def make(folder: Path, count: int = 16, *, value: int = 1, size: int = SIZE) -> Path:
    """Write ``images/`` and ``masks/`` of the same names.

    Args:
        folder: The new folder.
        count: Number of images.
        value: Value of the disk in the masks.
        size: Height and width.
    """
    for i in range(count):
        image, disk = draw(i, size)
        save(folder / f'images/{i:02d}.png', image)
        save(folder / f'masks/{i:02d}.png', disk * np.uint8(value))
    return folder
