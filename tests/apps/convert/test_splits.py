import pytest

from mmseg_attn.apps.convert import make_folds, write_splits
from mmseg_attn.errors import DataError


def singles(count):
    return {f'{i:03d}': [f'{i:03d}'] for i in range(count)}


@pytest.mark.parametrize(('count', 'folds'), [(320, 5), (100, 4), (7, 3), (3, 3)])
def test_every_image_is_tested_once_and_validated_once(count, folds):
    result = make_folds(singles(count), folds=folds, seed=0)
    everything = sorted(singles(count))
    assert list(result) == [f'fold{i}' for i in range(folds)]
    for split in result.values():
        assert sorted(split['train'] + split['val'] + split['test']) == everything
        assert all(stems == sorted(stems) for stems in split.values())
    for name in ('val', 'test'):
        assert sorted(stem for split in result.values() for stem in split[name]) == everything
        sizes = {len(split[name]) for split in result.values()}
        assert max(sizes) - min(sizes) <= 1
    for i in range(folds):  # the validation part of a fold is the test part of the next
        assert result[f'fold{i}']['val'] == result[f'fold{(i + 1) % folds}']['test']


def test_seed_decides_and_the_order_of_the_groups_does_not():
    groups = singles(20)
    backwards = dict(reversed(groups.items()))
    result = make_folds(groups, folds=5, seed=0)
    assert make_folds(backwards, folds=5, seed=0) == result
    assert make_folds(groups, folds=5, seed=1) != result
    # Pinned: published splits must not change with a Python or NumPy version.
    assert result['fold0']['test'] == ['000', '002', '014', '015']


def test_groups_stay_together():
    groups = {str(i): [f'{i}_{j}' for j in range(4)] for i in range(10)}
    for split in make_folds(groups, folds=5, seed=0).values():
        owners = [{stem.split('_')[0] for stem in stems} for stems in split.values()]
        assert sum(map(len, owners)) == len(set.union(*owners)) == 10


@pytest.mark.parametrize(('count', 'folds'), [(4, 5), (10, 2)])
def test_impossible_numbers_are_refused(count, folds):
    with pytest.raises(DataError, match=f'{count} units cannot be split into {folds} folds'):
        make_folds(singles(count), folds=folds, seed=0)


def test_files_hold_one_stem_per_line(tmp_path):
    write_splits(tmp_path, {'fold0': dict(train=['a', 'b'], val=['c'], test=[])})
    assert (tmp_path / 'fold0' / 'train.txt').read_text() == 'a\nb\n'
    assert (tmp_path / 'fold0' / 'val.txt').read_text() == 'c\n'
    assert (tmp_path / 'fold0' / 'test.txt').read_text() == ''


@pytest.mark.parametrize(
    ('count', 'folds', 'message'),
    [
        (1, 5, '1 case cannot be split into 5 folds: provide at least 3 cases'),
        (3, 10, '3 cases cannot be split into 10 folds: choose 3 folds'),
        (8, 9, '8 cases cannot be split into 9 folds: choose 3 to 8 folds'),
        (8, 2, '8 cases cannot be split into 2 folds: choose 3 to 8 folds'),
    ],
)
def test_a_refusal_says_what_can_be_done(count, folds, message):
    with pytest.raises(DataError, match=message):
        make_folds(singles(count), folds=folds, seed=0, unit='case')
