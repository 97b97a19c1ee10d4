"""A small seeded PASCAL VOC 2012, split by ``tools/dataset_converters/voc_split.py``."""

from pathlib import Path

import numpy as np
from mmseg.datasets import PascalVOCDataset
from PIL import Image

from tools.dataset_converters import voc_split

PALETTE = np.array(PascalVOCDataset.METAINFO['palette']).ravel().tolist()


def make(folder: Path) -> Path:
    """Write 20 images of two sizes, of which two are for testing; masks have VOC's palette."""
    rng = np.random.default_rng(0)
    out = folder / 'VOC2012'
    for name in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (out / name).mkdir(parents=True)
    names = [f'2007_{i:06d}' for i in range(20)]
    for i, name in enumerate(names):
        height, width = ((60, 80), (80, 60))[i % 2]
        order = rng.permutation(np.resize([*range(21), 255], 24)).astype(np.uint8)
        mask = order.reshape(4, 6).repeat(height // 4, 0).repeat(width // 6 + 1, 1)[:, :width]
        image = (mask % 22 * 10)[..., None] + rng.integers(0, 40, (height, width, 3))
        Image.fromarray(image.astype(np.uint8)).save(out / 'JPEGImages' / f'{name}.jpg')
        indices = Image.fromarray(mask)
        indices.putpalette(PALETTE)
        indices.save(out / 'SegmentationClass' / f'{name}.png')
    for part, listed in (('train', names[:10]), ('val', names[10:])):
        (out / 'ImageSets' / 'Segmentation' / f'{part}.txt').write_text('\n'.join(listed) + '\n')
    voc_split.main([str(out)])
    return out
