"""Which images belong to one case, and how cases are distributed."""

from pathlib import Path

import pytest

from mmseg_attn.apps.new_dataset.cases import find_cases, make_splits
from mmseg_attn.apps.new_dataset.files import Pair
from mmseg_attn.errors import DataError, UsageError
from tests.apps.new_dataset.measured import measured

# names, and the case of each
NAMES = [
    (['05_00_12', '05_01_00', '06_00_00', '07_00_01'], ['05', '05', '06', '07']),
    (['p01_slice003', 'p01_slice004', 'p02_slice1', 'p3_slice1'], ['p01', 'p01', 'p02', 'p3']),
    (
        ['case_1_z_1', 'case_1_z_2', 'case_2_z_1', 'case_3_z_1'],
        ['case_1'] * 2 + ['case_2', 'case_3'],
    ),
    (['a/1', 'a/2', 'b/1', 'c/1'], ['a', 'a', 'b', 'c']),
    (['train/images/a/1', 'train/images/a/2', 'val/images/b/1', 'val/images/c/1'], 'aabc'),
    (
        ['plate1_00', 'plate1_01', 'plate2_00', 'plate2_01', 'plate 5_00', 'plate 5_01', 'ü 6_00'],
        ['plate1'] * 2 + ['plate2'] * 2 + ['plate 5'] * 2 + ['ü 6'],
    ),
    (
        [f'2024_Sample0{i}_FOV{k}_C0' for i in range(3) for k in range(2)],
        [f'2024_Sample0{i}' for i in range(3) for _ in range(2)],
    ),
    (
        ['mouse1_pos1', 'mouse1_pos2', 'mouse2_pos1', 'mouse3_pos1'],
        ['mouse1'] * 2 + ['mouse2', 'mouse3'],
    ),
    (['sick_patient01', 'sick_patient02', 'well_patient03', 'well_patient04'], None),
    (['img_001', 'img_002', 'img_003', 'img_004'], None),
    (['1', '2', '3', '4'], None),
    (['a_1', 'a_2', 'b_1', 'b_2'], None),  # too few
    (['a/000', 'a/001', 'a/002', 'b/000', 'b/001', 'b/002'], None),  # too few, not of a and of b
    (['a/tile_1_1', 'a/tile_1_2', 'a/tile_2_1', 'b/tile_1_1', 'b/tile_2_1'], None),
    (['a/p1_s1', 'a/p1_s2', 'b/p2_s1', 'b/p3_s1'], ['p1', 'p1', 'p2', 'p3']),
]


@pytest.mark.parametrize(('names', 'cases'), NAMES, ids=[names[0] for names, _ in NAMES])
def test_cases_of_names(names, cases):
    found, note = find_cases([measured(name) for name in names])
    assert found == dict(zip(names, cases or names, strict=True))
    assert ('each image is its own case' in note) == (cases is None)
    assert '--case-pattern' in note or 'too few' in note


def test_cases_of_volumes_and_series():
    pair = Pair('v', Path('v.nii'), Path('m.nii'))
    slices = [measured(f'v_{i}', pair=pair) for i in range(2)]
    slices += [measured(name, series=f'uid{i // 2}') for i, name in enumerate('abcd')]
    found, note = find_cases(slices)
    assert [*found.values()] == ['v', 'v', *['series uid0'] * 2, *['series uid1'] * 2]
    assert note.startswith('3 cases, by the files of volumes')
    assert find_cases(slices[:2])[0] == dict(v_0='v_0', v_1='v_1')


def test_a_pattern():
    slices = [measured(name) for name in ('x1-p2', 'x2-p2', 'x3-p4')]
    assert [*find_cases(slices, r'p\d')[0].values()] == ['p2', 'p2', 'p4']
    assert [*find_cases(slices, r'x(\d)')[0].values()] == ['1', '2', '3']
    with pytest.raises(UsageError, match='does not match the name x1-p2'):
        find_cases(slices, 'q')


def split(pixels, cases=None, **arguments):
    """Split images a, b, ... with these classes."""
    names = [chr(ord('a') + i) for i in range(len(pixels))]
    slices = [
        measured(name, labels=dict.fromkeys(labels, 1))
        for name, labels in zip(names, pixels, strict=True)
    ]
    cases = dict(zip(names, cases or names, strict=True))
    classes = {one.name: one.labels for one in slices}
    values = dict(kept={}, folds=None, seed=0) | arguments
    return make_splits(slices, cases, classes, ['x', 'y'], **values)


def test_cases_stay_together():
    folds, note = split([[0, 1]] * 10, cases='aabbccddee')
    assert len(folds) == 5
    assert '5 folds of 5 cases by the seed 0' in note
    for fold in folds.values():
        owners = [{'aabbccddee'[ord(name) - ord('a')] for name in names} for names in fold.values()]
        assert sum(map(len, owners)) == 5
    tested = sorted(name for fold in folds.values() for name in fold['test'])
    assert tested == list('abcdefghij')


def test_every_training_has_every_class():
    """With two images of a class, some orders leave a training without it."""
    for seed in range(5):
        folds, _ = split([[0, 1]] * 2 + [[0]] * 8, seed=seed)
        assert all({'a', 'b'} & {*fold['train']} for fold in folds.values())


REFUSED = [
    (dict(pixels=[[0, 1]] * 2), '2 images cannot be split into 3 folds'),
    (dict(pixels=[[0, 1]] * 5, folds=0), '5 images cannot be split into 0 folds'),
    (dict(pixels=[[0]] * 5), 'no mask contains the class 1 y'),
    (dict(pixels=[[0, 1]] + [[0]] * 5), r'y is in only one image, masks/a\.png'),
    (dict(pixels=[[0, 1]] * 2 + [[0]] * 2, cases='aabc'), 'y is in only one case, a'),
    (
        dict(pixels=[[0], [0, 1], [0, 1]], kept=dict(fold0=dict(train='a', val='b', test='c'))),
        'no training image contains the class 1 y',
    ),
    (
        dict(pixels=[[0], [0, 1]], kept=dict(fold0=dict(train=['a'], test=['b']))),
        '1 training case cannot be split into 3 folds',
    ),
]


@pytest.mark.parametrize(('arguments', 'sentence'), REFUSED)
def test_refused(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        split(**arguments)


def test_kept_splits_are_completed():
    kept = dict(train=list('abcdef'), val=['g'])
    folds, note = split([[0, 1]] * 7, kept=dict(fold0=kept))
    assert folds == dict(fold0=dict(kept, test=['g']))
    assert 'no test split' in note
    folds, note = split([[0, 1]] * 7, kept=dict(fold0=dict(train=list('abcdef'), test=['g'])))
    assert {*folds['fold0']['train']} | {*folds['fold0']['val']} == {*'abcdef'}
    assert not {*folds['fold0']['train']} & {*folds['fold0']['val']}
    assert folds['fold0']['test'] == ['g']
    kept = dict(train=list('abcd'), val=['e', 'f'], test=['e', 'f'])  # as they are
    assert split([[0, 1]] * 6, kept=dict(fold0=kept))[0] == dict(fold0=kept)


def test_unused_images_are_named():
    kept = dict(train=list('abcd'), val=['e'], test=['f'])
    _, note = split([[0, 1]] * 8, kept=dict(fold0=kept))
    assert note.endswith('; 2 images in none of them, such as g')
    _, note = split([[0, 1]] * 6, kept=dict(fold0=kept))
    assert 'none of them' not in note
