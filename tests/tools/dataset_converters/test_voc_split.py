from itertools import chain

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DataError
from tests.data import voc
from tests.processes import run_script
from tools.dataset_converters import voc_split

LISTS = 'ImageSets/Segmentation'
POOLED = 'ImageSets/SegmentationPooled'


@pytest.fixture
def root(tmp_path):
    return voc.make(tmp_path)


def split(folder):
    return [(folder / f'{part}.txt').read_text().split() for part in ('train', 'test')]


def test_train_and_val_are_pooled_and_split_90_to_10(root, capsys):
    train, test = split(root / POOLED)
    listed = [(root / LISTS / f'{part}.txt').read_text().split() for part in ('train', 'val')]
    assert sorted(train + test) == sorted(chain(*listed))
    assert (len(train), len(test)) == (18, 2)
    voc_split.main([str(root)])
    printed = capsys.readouterr().out
    assert 'SegmentationPooled: 18 train, 2 test (already up to date)' in printed
    masks = [np.array(Image.open(path)) for path in (root / 'SegmentationClass').iterdir()]
    for name, label in (('aeroplane', 1), ('(ignored)', 255)):
        assert f'{name}      {sum((mask == label).sum() for mask in masks)}' in printed


def test_the_release_has_2913_images(tmp_path, monkeypatch):
    for part, count in (('train', 1464), ('val', 1449)):
        (tmp_path / LISTS).mkdir(parents=True, exist_ok=True)
        names = [f'{part}{i}\n' for i in range(count)]
        (tmp_path / LISTS / f'{part}.txt').write_text(''.join(names))
    monkeypatch.setattr(voc_split, 'read_mask', lambda root, name: np.zeros((1, 1), np.uint8))
    voc_split.main([str(tmp_path)])
    assert list(map(len, split(tmp_path / POOLED))) == [2621, 292]


def test_seed_and_folder(root, tmp_path):
    voc_split.main([str(root), '--seed', '1', '--out', str(tmp_path / 'other')])
    assert split(tmp_path / 'other') != split(root / POOLED)
    assert sorted(path.name for path in (root / 'ImageSets').iterdir()) == [
        'Segmentation',
        'SegmentationPooled',
    ]


def test_lists_with_a_byte_order_mark(root, tmp_path):
    text = (root / LISTS / 'train.txt').read_text()
    (root / LISTS / 'train.txt').write_text(text, encoding='utf-8-sig')
    voc_split.main([str(root), '--out', str(tmp_path / 'other')])
    assert split(tmp_path / 'other') == split(root / POOLED)


def image(root):
    return root / 'JPEGImages' / '2007_000004.jpg'


def mask(root):
    return root / 'SegmentationClass' / '2007_000004.png'


def edit(path, change):
    pixels = np.array(Image.open(path))
    Image.fromarray(change(pixels)).save(path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


NAMED = (4, 'train'), (5, 'val')
DAMAGES = {
    'no list': (
        lambda r: (r / LISTS / 'val.txt').unlink(),
        r'Segmentation/val\.txt is missing: name the folder VOC2012',
    ),
    'binary list': (
        lambda r: (r / LISTS / 'train.txt').write_bytes(b'2007\x95'),
        r'Segmentation/train\.txt is not a text file: get the complete release',
    ),
    'empty list': (
        lambda r: (r / LISTS / 'train.txt').write_text('\n'),
        r'Segmentation/train\.txt is empty: get the complete release',
    ),
    'too few images': (
        lambda r: [(r / LISTS / f'{part}.txt').write_text(f'2007_00000{i}\n') for i, part in NAMED],
        r'lists 2 labeled images, but a split of 9:1 needs 10: use the whole release',
    ),
    'image listed twice': (
        lambda r: (r / LISTS / 'train.txt').write_text('2007_000011\n'),
        'Segmentation lists 2007_000011 twice: use the original lists',
    ),
    'no image': (lambda r: image(r).unlink(), r'000004\.jpg is missing: get the complete release'),
    'no mask': (lambda r: mask(r).unlink(), r'000004\.png is missing: get the complete release'),
    'truncated image': (lambda r: truncate(image(r)), r'000004\.jpg is truncated or damaged'),
    'truncated mask': (lambda r: truncate(mask(r)), r'000004\.png is truncated or damaged'),
    'color mask': (
        lambda r: Image.open(mask(r)).convert('RGB').save(mask(r)),
        r'000004\.png has the mode RGB and is not a label map: use the original',
    ),
    'other size': (
        lambda r: edit(mask(r), lambda pixels: pixels.T),
        r'000004\.png is 60x80, but its image .*000004\.jpg is 80x60',
    ),
    'unknown label': (
        lambda r: edit(mask(r), lambda pixels: np.where(pixels == 255, 21, pixels)),
        r'000004\.png contains unknown label values: 21; the labels are 0 to 20 and 255: use',
    ),
}


@pytest.mark.parametrize('name', DAMAGES)
def test_wrong_input_is_one_sentence_and_writes_nothing(root, tmp_path, name):
    damage, message = DAMAGES[name]
    damage(root)
    with pytest.raises(DataError, match=message) as caught:
        voc_split.main([str(root), '--out', str(tmp_path / 'new' / 'out')])
    assert '\n' not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ['VOC2012']


def test_as_a_process(root, tmp_path):
    done = run_script(voc_split.__file__, root, '--out', 'out', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert split(tmp_path / 'out') == split(root / POOLED)
    mask(root).unlink()
    failed = run_script(voc_split.__file__, root, '--out', 'out', cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith(f'error: {mask(root)} is missing')
    assert 'Traceback' not in failed.stderr
