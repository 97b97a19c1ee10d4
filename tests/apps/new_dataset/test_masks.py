"""Which class the values of masks become."""

import numpy as np
import pytest

from mmseg_attn.apps.new_dataset.masks import find_labels
from mmseg_attn.apps.new_dataset.reading import Mask, read_mask
from mmseg_attn.errors import DataError, UsageError
from tests.apps.new_dataset.measured import measured
from tests.data.folders import save

RED, BLUE, BLACK = 0xFF0000, 0x0000FF, 0
NONE = None
# values of the masks, names; then the mapping and the classes
GRAY = [
    ([0, 1], NONE, {0: 0, 1: 1}, ['background', 'foreground']),
    ([0, 255], NONE, {0: 0, 255: 1}, ['background', 'foreground']),
    ([0, 255], ['sky', 'bird'], {0: 0, 255: 1}, ['sky', 'bird']),
    ([0, 128, 255], NONE, {0: 0, 128: 1, 255: 2}, ['background', 'class_1', 'class_2']),
    ([1, 2], NONE, {1: 0, 2: 1}, ['class_0', 'foreground']),
    ([1, 2, 255], NONE, {1: 0, 2: 1, 255: 255}, ['class_0', 'foreground']),
    ([0, 2], ['a', 'b', 'c'], {0: 0, 2: 2}, ['a', 'b', 'c']),
    ([0, 2], NONE, {0: 0, 2: 1}, ['background', 'foreground']),
    ([0, 1, 2, 255], NONE, {0: 0, 1: 1, 2: 2, 255: 255}, ['background', 'class_1', 'class_2']),
    ([0, 1000], NONE, {0: 0, 1000: 1}, ['background', 'foreground']),
]


@pytest.mark.parametrize(('values', 'names', 'mapping', 'classes'), GRAY)
def test_gray_values(values, names, mapping, classes):
    pixels = {value: 10 - i for i, value in enumerate(values)}
    labels = find_labels([measured(labels=pixels)], classes=names)
    assert labels.mapping == mapping
    assert labels.classes == classes
    assert labels.changed == any(value != label for value, label in mapping.items())
    mask = np.array([values, values])
    expected = [[mapping[value] for value in values]] * 2
    np.testing.assert_array_equal(labels.apply(Mask('gray', [mask]), 0), expected)


def test_background_is_the_most_frequent_class():
    assert find_labels([measured(labels={0: 1, 1: 5, 2: 5})]).classes[0] == 'class_0'


def test_the_background_of_a_palette_is_not_beside_black():
    one = measured(labels={0: 5, 1: 2}, stored='palette', palette={0: 0xFFFFFF, 1: BLACK})
    assert find_labels([one]).classes == ['class_0', 'class_1']
    black = {0: BLACK, 1: RED, 2: BLACK}  # as the unused entries of a palette
    one = measured(labels={0: 5, 1: 2, 2: 1}, stored='palette', palette=black)
    assert find_labels([one]).classes[0] == 'background'
    one = measured(labels={0: 5, 1: 2}, stored='palette', palette={0: BLACK, 1: RED})
    assert find_labels([one]).classes == ['background', 'foreground']


def test_a_class_without_pixels_is_not_chosen():
    chosen = {'0': '0', '1': '1', '2': '2'}
    with pytest.raises(UsageError, match=r'--map has the class 2, but no mask contains'):
        find_labels([measured(labels={0: 5, 1: 2})], chosen=chosen)
    chosen['2'] = '1'
    assert find_labels([measured(labels={0: 5, 1: 2})], chosen=chosen).mapping == {0: 0, 1: 1}


def test_colors():
    """Black is the first class; without black, the most frequent color is."""
    one = measured(labels={RED: 5, BLACK: 1, BLUE: 3}, stored='color')
    labels = find_labels([one])
    assert labels.mapping == {BLACK: 0, BLUE: 1, RED: 2}
    assert labels.palette == [(0, 0, 0), (0, 0, 255), (255, 0, 0)]
    assert [row[0] for row in labels.table()] == ['#000000', '#0000ff', '#ff0000']
    one = measured(labels={RED: 5, BLUE: 3}, stored='color')
    assert find_labels([one]).mapping == {RED: 0, BLUE: 1}


def test_gray_saved_as_color():
    one = measured(labels={0x000000: 4, 0x010101: 5}, stored='color', direct=False)
    labels = find_labels([one, measured()])
    assert (labels.kind, labels.mapping) == ('gray', {0: 0, 1: 1})
    assert labels.classes_of(one) == {0: 4, 1: 5}


def test_palettes():
    """Indices are classes if all files have the same palette, and colors are otherwise."""
    first = measured(labels={0: 1, 1: 2}, stored='palette', palette={0: BLACK, 1: RED})
    second = measured(labels={1: 3}, stored='palette', palette={1: RED})
    other = measured(labels={0: 3}, stored='palette', palette={0: RED})
    same = find_labels([first, second])
    assert (same.mapping, same.changed) == ({0: 0, 1: 1}, False)
    assert same.palette == [(0, 0, 0), (255, 0, 0)]
    mixed = find_labels([first, other])
    assert (mixed.kind, mixed.mapping) == ('color', {BLACK: 0, RED: 1})
    mask = Mask('palette', [np.array([[0, 0]])], palette={0: RED})
    np.testing.assert_array_equal(mixed.apply(mask, 0), [[1, 1]])


def test_chosen_classes():
    chosen = {'0': '0', '128': 'ignore', '255': '1', '7': '0'}
    labels = find_labels([measured(labels={0: 1, 128: 1, 255: 1})], chosen=chosen)
    assert labels.mapping == {0: 0, 128: 255, 255: 1}
    one = measured(labels={RED: 5, BLUE: 3}, stored='color')
    assert find_labels([one], chosen={'#ff0000': '1', '#0000ff': '0'}).mapping == {BLUE: 0, RED: 1}


REFUSED = [
    ([{i: 1 for i in range(0, 99, 3)}], r'33 gray values \(masks/a\.png alone has 33\)'),
    ([{-1: 1, 0: 1}], r'masks/a\.png contains the value -1: number the classes from 0'),
    ([{0: 1}], r'only one class \(value 0\)'),
    ([{255: 1}], r'only one class \(value 255\)'),
    ([{0: 1, 1: 1}, {0: 1, 255: 1}], r'contains 0 and 1, but masks/a\.png contains 0 and 255'),
]


@pytest.mark.parametrize(('values', 'sentence'), REFUSED)
def test_refused(values, sentence):
    with pytest.raises(DataError, match=sentence):
        find_labels([measured(labels=pixels) for pixels in values])


def test_an_ignored_value_beside_ones_is_kept():
    """Pixels of 255 in a mask that has ones, too, are ignored ones and not the foreground."""
    labels = find_labels([measured(labels={0: 1, 1: 1, 255: 1}), measured(labels={0: 1, 255: 1})])
    assert labels.mapping == {0: 0, 1: 1, 255: 255}
    assert labels.note == 'the value 255 is ignored in training and in the scores'


def test_a_few_masks_of_another_kind():
    gray = [measured(f'{i}') for i in range(9)]
    color = [measured(f'c{i}', labels={RED: 1}, stored='color') for i in range(3)]
    with pytest.raises(DataError, match=r'3 masks are in color, such as masks/c0\.png, .* 9 are'):
        find_labels([*gray, *color])
    with pytest.raises(DataError, match=r'1 mask is gray, such as masks/0\.png, .* 3 are in color'):
        find_labels([*gray[:1], *color])


def test_every_class_has_its_own_color():
    labels = find_labels([measured(labels=dict.fromkeys(range(40), 1))])
    assert len(set(labels.palette)) == 40


def test_files(tmp_path):
    """Transparent masks are colors with alpha, and constant alpha is dropped."""
    colors = np.array([[[255, 0, 0, 255], [0, 0, 255, 255]]], np.uint8)
    save(tmp_path / 'opaque.png', colors)
    np.testing.assert_array_equal(read_mask(tmp_path / 'opaque.png').slices[0], [[RED, BLUE]])
    colors[0, 1, 3] = 0
    save(tmp_path / 'alpha.png', colors)
    mask = read_mask(tmp_path / 'alpha.png')
    np.testing.assert_array_equal(mask.slices[0], [[RED, 255 << 24 | BLUE]])
    assert (mask.stored, mask.direct) == ('color', False)
    save(tmp_path / 'bits.png', np.array([[True, False]]))
    mask = read_mask(tmp_path / 'bits.png')
    np.testing.assert_array_equal(mask.slices[0], [[1, 0]])
    assert (mask.stored, mask.direct) == ('gray', True)
