"""Folders as users have them: which image has which mask."""

import pytest

from mmseg_attn.apps.new_dataset.files import find_files
from mmseg_attn.errors import DataError

# files, and what is expected: name, image and mask of each pair
LAYOUTS = [
    (['images/a.png', 'masks/a.png'], [('a', 'images/a.png', 'masks/a.png')]),
    (['Images/a.JPG', 'Annotations/a.png'], [('a', 'Images/a.JPG', 'Annotations/a.png')]),
    (['images/a.jpg', 'labels/a_mask.png'], [('a', 'images/a.jpg', 'labels/a_mask.png')]),
    (['a.png', 'a_mask.png'], [('a', 'a.png', 'a_mask.png')]),
    (['b/a.tif', 'b/a-seg.tif'], [('b/a', 'b/a.tif', 'b/a-seg.tif')]),
    (['images/p/1.png', 'masks/p/1.png'], [('p/1', 'images/p/1.png', 'masks/p/1.png')]),
    (['raw/07.tif', 'labels/labels0007.png'], [('07', 'raw/07.tif', 'labels/labels0007.png')]),
    (['photos/a.jpg', 'masks/a.png'], [('a', 'photos/a.jpg', 'masks/a.png')]),
    (['a.png', 'masks/a.png'], [('a', 'a.png', 'masks/a.png')]),
    (['v.nii.gz', 'v_seg.nii.gz'], [('v', 'v.nii.gz', 'v_seg.nii.gz')]),
    (
        ['train/images/a.png', 'train/masks/a.png', 'val/images/b.png', 'val/masks/b.png'],
        [
            ('train/images/a', 'train/images/a.png', 'train/masks/a.png'),
            ('val/images/b', 'val/images/b.png', 'val/masks/b.png'),
        ],
    ),
    (
        ['images/train/a.png', 'masks/train/a.png', 'images/test/b.png', 'masks/test/b.png'],
        [
            ('test/b', 'images/test/b.png', 'masks/test/b.png'),
            ('train/a', 'images/train/a.png', 'masks/train/a.png'),
        ],
    ),
]


@pytest.mark.parametrize(('names', 'expected'), LAYOUTS, ids=[names[0] for names, _ in LAYOUTS])
def test_layouts(names, expected, folder):
    source = folder(*names, 'images/.hidden.png' if names[0].startswith('images') else '.hidden')
    files = find_files(source)
    found = [(p.name, *(str(x.relative_to(source)) for x in p[1:])) for p in files.pairs]
    assert found == expected


def test_folders_of_splits(folder):
    source = folder('images/training/a.png', 'masks/training/a.png', 'images/valid/b.png')
    (source / 'masks/valid').mkdir()
    (source / 'masks/valid/b.png').touch()
    assert find_files(source).splits == dict(train=['training/a'], val=['valid/b'])


def test_folders_that_are_named(folder):
    source = folder('scans/a.png', 'truth/a.png', 'other/x.png')
    files = find_files(source, source / 'scans', source / 'truth')
    assert [(pair.image, pair.mask) for pair in files.pairs] == [
        (source / 'scans/a.png', source / 'truth/a.png')
    ]


def test_files_beside_the_splits_are_named(folder):
    names = ('train/a.png', 'train/a_mask.png', 'val/b.png', 'val/b_mask.png')
    assert find_files(folder(*names)).notes == []
    source = folder('extra/c.png')
    (source / 'README.md').touch()
    (source / 'old.png').symlink_to('nowhere.png')
    (note,) = find_files(source).notes
    assert note == 'extra, old.png beside the folders of the splits: not used'


def test_splits_may_be_links(folder):
    source = folder('pool/p1/a.png', 'pool/p1/a_mask.png', 'pool/p2/b.png', 'pool/p2/b_mask.png')
    (source / 'train').symlink_to('pool/p1')
    (source / 'val').symlink_to('pool/p2')
    files = find_files(source)
    assert (files.splits, files.notes) == (dict(train=['train/a'], val=['val/b']), [])


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [('a ', 'begins or ends with a space'), ('b\udce9', r'b\\udce9\.png\' or its mask is not enc')],
)
def test_names_that_lists_cannot_contain(name, sentence, folder):
    with pytest.raises(DataError, match=sentence):
        find_files(folder(f'images/{name}.png', f'masks/{name}.png'))


@pytest.mark.parametrize(
    ('names', 'sentence'),
    [
        (['images/a.png', 'masks/a.png', 'labels/a.png'], r'masks and .*labels could both be'),
        (['images/a.png', 'images/b.png', 'masks/a.png'], r'images/b\.png has no mask: add it'),
        (['images/a.png', 'images/a.tif', 'masks/a.png'], r'a\.png and .*a\.tif have the same'),
        (['images/a.png'], r'no folder of masks and no files that end in _mask'),
        (['a_mask.png'], r'a_mask\.png has no image'),
    ],
)
def test_refused(names, sentence, folder):
    with pytest.raises(DataError, match=sentence):
        find_files(folder(*names))
