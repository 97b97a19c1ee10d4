"""Lists of names are the splits."""

import string

import pytest

from mmseg_attn.apps.new_dataset.split_files import split_files
from mmseg_attn.errors import DataError


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
