import pytest

from mmseg_attn.errors import DataError
from mmseg_attn.io.numbered import LAST_NUMBER, adjacent_files

NAMES = ['a_009.png', 'a_010.png', 'a_011.png', 'a_013.png', 's9.tif', 's10.tif', 's11.tif']
NAMES += ['07_2_0.png', '08_2_0.png', '08_2_1.png', 'run2_3.jp2', 'run2_4.jp2', 'run3_3.jp2']


@pytest.mark.parametrize(
    ('name', 'neighbors', 'expected'),
    [
        ('a_010.png', 1, ['a_009.png', 'a_010.png', 'a_011.png']),
        ('a_009.png', 1, ['a_009.png', 'a_009.png', 'a_010.png']),
        ('a_009.png', 2, ['a_009.png'] * 3 + ['a_010.png', 'a_011.png']),
        # 12 is missing, which ends the stack
        ('a_011.png', 2, ['a_009.png', 'a_010.png'] + ['a_011.png'] * 3),
        ('a_013.png', 1, ['a_013.png'] * 3),
        ('s10.tif', 1, ['s9.tif', 's10.tif', 's11.tif']),
        ('s9.tif', 1, ['s9.tif', 's9.tif', 's10.tif']),
        # the last number, not those of the stack or of the suffix
        ('run2_3.jp2', 1, ['run2_3.jp2', 'run2_3.jp2', 'run2_4.jp2']),
    ],
)
@pytest.mark.parametrize('folder', ['', 'x_1/y/', 's3://bucket/7/'])
def test_neighbors_differ_only_in_the_last_number(name, neighbors, expected, folder):
    names = {folder + other for other in NAMES}
    found = adjacent_files(
        folder + name, neighbors, exists=names.__contains__, patterns=[LAST_NUMBER]
    )
    assert found == [folder + other for other in expected]


def test_the_number_may_lie_elsewhere():
    names = {*NAMES}
    found = adjacent_files(
        '08_2_0.png', 1, exists=names.__contains__, patterns=[r'^(\d+)_', LAST_NUMBER]
    )
    assert found == ['07_2_0.png', '08_2_0.png', '08_2_0.png']
    found = adjacent_files(
        's10.tif', 1, exists={*NAMES}.__contains__, patterns=[r'^(\d+)_', LAST_NUMBER]
    )
    assert found == ['s9.tif', 's10.tif', 's11.tif']


def test_a_name_needs_a_number():
    with pytest.raises(DataError, match=r'x_1/a\.png has no number in its name .*slice_007\.png'):
        adjacent_files('x_1/a.png', 1, exists=bool, patterns=[LAST_NUMBER])
