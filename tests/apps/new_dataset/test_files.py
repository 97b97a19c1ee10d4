"""Folders as users have them: which image has which mask."""

import string
from pathlib import Path

import pytest

from mmseg_attn.apps.new_dataset.files import find_files, mask_suffix, split_files
from mmseg_attn.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """Make empty files."""

    def folder(*names):
        for name in names:
            path = tmp_path / 'source' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'')
        return tmp_path / 'source'

    return folder


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


def test_links_to_missing_files_are_refused(folder):
    source = folder('images/a.png', 'masks/a.png')
    (source / 'images/notes').symlink_to('nowhere')
    find_files(source)
    (source / 'images/b.png').symlink_to('nowhere.png')
    with pytest.raises(DataError, match=r'b\.png is a link to nowhere\.png, which is missing: get'):
        find_files(source)


WRITTEN = 'preview.png', 'dataset.yaml', 'conversion.json', 'data/images/a.png'


@pytest.mark.parametrize(
    'names', [('a.png', 'a_mask.png'), ('scans/a.png', 'masks/a.png'), ('a.png', 'masks/a.png')]
)
def test_written_projects_are_left_out(names, folder):
    source = folder(*names, *(f'projects/x/{name}' for name in WRITTEN))
    assert [pair.name for pair in find_files(source).pairs] == ['a']


def test_a_file_of_the_user_is_no_project(folder):
    source = folder('p1/a.png', 'p1/a_mask.png', 'p1/dataset.yaml', 'p2/b.png', 'p2/b_mask.png')
    assert [pair.name for pair in find_files(source).pairs] == ['p1/a', 'p2/b']


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [('a ', 'begins or ends with a space'), ('b\udce9', r'b\\udce9\.png\' or its mask is not enc')],
)
def test_names_that_lists_cannot_contain(name, sentence, folder):
    with pytest.raises(DataError, match=sentence):
        find_files(folder(f'images/{name}.png', f'masks/{name}.png'))


def test_other_files_are_named(folder):
    files = find_files(folder('images/a.png', 'masks/a.png', 'images/notes.txt'))
    assert files.notes == [f'1 file in {files.root} of another type is not used, such as notes.txt']


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


def test_split_files(folder):
    source = folder('images/a.png')
    assert split_files(source, 'abc') == {}
    (source / 'splits').mkdir()
    for split, names in dict(train='a\n', val='b\n', test='c\n').items():
        (source / f'splits/{split}.txt').write_text(names)
    assert split_files(source, 'abc') == dict(fold0=dict(train=['a'], val=['b'], test=['c']))
    with pytest.raises(DataError, match=r'splits/test\.txt lists c, which is missing'):
        split_files(source, 'ab')


def test_a_missing_split_is_left_out(folder):
    source = folder('images/a.png')
    (source / 'splits').mkdir()
    (source / 'splits/val.txt').write_text('b.png\n')
    assert split_files(source, 'ab') == {}
    (source / 'splits/train.txt').write_text('\ufeffa\n', encoding='utf-8')
    assert split_files(source, 'ab') == dict(fold0=dict(train=['a'], val=['b']))
    (source / 'splits/test.txt').write_bytes(b'\xe9\n')
    with pytest.raises(DataError, match=r'test\.txt is not encoded in UTF-8'):
        split_files(source, 'ab')


def test_folds_are_in_the_order_of_their_numbers(folder):
    source = folder('images/a.png')
    for number, letter in enumerate('efghijklmno'):
        (source / f'splits/fold{number}').mkdir(parents=True)
        for split, names in dict(train=letter, val='b', test='c').items():
            (source / f'splits/fold{number}/{split}.txt').write_text(names)
    folds = split_files(source, string.ascii_lowercase)
    assert [split['train'] for split in folds.values()] == [[letter] for letter in 'efghijklmno']


def test_linked_folders(folder):
    source = folder('images/p1/a.png', 'masks/p1/a.png', 'elsewhere/i/b.png', 'elsewhere/m/b.png')
    (source / 'images/p2').symlink_to(source / 'elsewhere/i')
    (source / 'masks/p2').symlink_to(source / 'elsewhere/m')
    (source / 'images/circle').symlink_to(source / 'images')
    (source / 'images/up').symlink_to(source)
    (source / 'images/masks').symlink_to(source / 'masks')
    (source / 'images/an-alias').symlink_to(source / 'images/p1')
    (source / 'images/p1/zz').symlink_to(source / 'images/p3')
    (source / 'images/p3').mkdir()
    assert [pair.name for pair in find_files(source).pairs] == ['p1/a', 'p2/b']


def test_linked_masks_in_the_folder_of_images(folder):
    source = folder('d/a.png', 'e/a.png', 'f/a_mask.png')
    for masks in ('e', 'f'):
        (source / 'd/masks').symlink_to(source / masks)
        assert [pair.name for pair in find_files(source / 'd').pairs] == ['a']
        assert find_files(source, source / 'd', source / 'd/masks').pairs[0].name == 'a'
        (source / 'd/masks').unlink()


def test_pairs_beside_a_link_to_the_parents(folder):
    source = folder('d/a.png', 'd/a_mask.png', 'e/b.png')
    (source / 'd/up').symlink_to(source)
    assert [pair.name for pair in find_files(source / 'd').pairs] == ['a']


def test_masks_in_the_folder_of_images_however_they_are_spelled(folder, monkeypatch):
    source = folder('a.png', 'masks/a.png')
    monkeypatch.chdir(source.parent)
    for masks in (source / 'masks', Path(source.name, 'masks')):
        assert [p.name for p in find_files(source, Path(source.name), masks).pairs] == ['a']
