"""Small seeded pairs of images and masks, through ``tools/dataset_converters/knee_mri.py``."""

from pathlib import Path

import numpy as np
from PIL import Image

from tools.dataset_converters import knee_mri


def make(folder: Path) -> Path:
    """Write 20 slices of 72x96 with a bright ellipse, as 16-bit images and masks of 0 and 255."""
    rng = np.random.default_rng(0)
    source = folder / 'knee_source'
    for name in ('images', 'masks'):
        (source / name).mkdir(parents=True)
    rows, cols = np.mgrid[:72, :96]
    for i in range(20):
        row, col = rng.uniform(20, 50), rng.uniform(20, 70)
        ligament = ((rows - row) / 15) ** 2 + ((cols - col) / 6) ** 2 < 1
        image = 1500 * ligament + rng.integers(200, 900, ligament.shape)
        Image.fromarray(image.astype(np.uint16)).save(source / 'images' / f'{i:03d}.png')
        Image.fromarray(255 * ligament.astype(np.uint8)).save(source / 'masks' / f'{i:03d}.png')
    out = folder / 'knee_mri'
    knee_mri.main([str(source), '--out', str(out)])
    return out
