"""A small seeded FloodNet in the official layout."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((96, 128), (96, 144))  # height and width: two formats, as in the release


def make(folder: Path) -> Path:
    """Write two images of every split; each mask holds all ten classes."""
    rng = np.random.default_rng(0)
    out = folder / 'FloodNet-Supervised_v1.0'
    for number, split in enumerate(('train', 'val', 'test')):
        images, labels = out / split / f'{split}-org-img', out / split / f'{split}-label-img'
        images.mkdir(parents=True)
        labels.mkdir()
        for i, (height, width) in enumerate(SIZES):
            name = f'{6000 + 10 * number + i}'
            order = rng.permutation(np.resize(np.arange(10), 12)).astype(np.uint8)
            mask = order.reshape(3, 4).repeat(height // 3, 0).repeat(width // 4, 1)
            image = 20 * mask[..., None] + rng.integers(0, 40, (height, width, 3))
            Image.fromarray(image.astype(np.uint8)).save(images / f'{name}.jpg')
            Image.fromarray(mask).save(labels / f'{name}_lab.png')
    return out
