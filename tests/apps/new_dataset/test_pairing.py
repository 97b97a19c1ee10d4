"""The names of masks follow from those of their images."""

import pytest

from mmseg_attn.apps.new_dataset.files import find_files
from mmseg_attn.apps.new_dataset.pairing import mask_suffix


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['images/p/a.png', 'masks/p/a_mask.tif'], ('masks', '_mask.tif')),
        (['a.png', 'a_mask.png'], ('.', '_mask.png')),
        (['images/07.png', 'labels/l07.png'], None),
        (['images/a.png', 'masks/a.png', 'images/b.png', 'masks/b.tif'], None),
        (['train/images/a.png', 'train/masks/a.png', 'val/a.png', 'val/a_mask.png'], None),
    ],
)
def test_masks_that_follow_from_the_names(names, expected, folder):
    source = folder(*names)
    files = find_files(source)
    found = mask_suffix(files.pairs, files.root)
    assert found == (expected and (source / expected[0], expected[1]))
