"""Three small seeded NIfTI files, through ``tools/dataset_converters/covid19.py``."""

from pathlib import Path

import nibabel
import numpy as np

from tools.dataset_converters import covid19


def make(folder: Path) -> Path:
    """Write eight slices of 64x64 in Hounsfield units with all classes in each, and four folds."""
    source = folder / 'covid19_source'
    source.mkdir(parents=True)
    for name, volume in zip(
        (covid19.IMAGE, covid19.MASK, covid19.LUNGS), volumes(slices=8, size=64), strict=True
    ):
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), source / name)
    out = folder / 'covid19'
    covid19.main([str(source), '--out', str(out)])
    return out


def volumes(*, slices: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intensities, lesions and lungs, each (size, size, slices)."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:size, :size] / size
    lungs = np.zeros((size, size, slices), dtype=np.uint8)
    mask = np.zeros((size, size, slices))
    for k in range(slices):
        for side, middle in ((1, 0.3), (2, 0.7)):
            lung = ((rows - 0.5) / 0.35) ** 2 + ((cols - middle) / 0.17) ** 2 < 1
            lungs[..., k][lung.T] = side  # the files hold transposed slices
            row, col = 0.5 + rng.uniform(-0.15, 0.15), middle + rng.uniform(-0.05, 0.05)
            for radius, value in ((0.1, 1), (0.05, 2), (0.02, 3)):
                mask[..., k][((rows - row) ** 2 + (cols - col) ** 2 < radius**2).T] = value
    image = np.choose(mask.astype(int), [40, -500, 20, 10]) - 850.0 * ((lungs > 0) & (mask == 0))
    return (image + rng.normal(0, 30, image.shape)).astype(np.float32), mask, lungs
