"""Rand error and variation of information by counting pairs and pixels, and the conventions."""

import math
import sys
from collections import Counter
from itertools import combinations

import pytest

from mmseg_attn.errors import UsageError
from tests.evaluation.metrics.samples import build, evaluate, sample
from tests.libraries import needs_scikit_image

M = 1
TWO_CELLS = [[0, 0, 0, M, 0, 0, 0]] * 3


def measure(*samples: dict, **options) -> dict[str, float]:
    return evaluate(build(dict(type='MembraneMetric', **options), ('cell', 'membrane')), *samples)


def rand_error(true: list, found: list) -> float:
    """1 minus the F-score of the pairs of pixels in one segment."""
    both = in_true = in_found = 0
    for i, j in combinations(range(len(true)), 2):
        in_true += true[i] == true[j]
        in_found += found[i] == found[j]
        both += true[i] == true[j] and found[i] == found[j]
    precision, recall = both / in_found, both / in_true
    return 1 - 2 * precision * recall / (precision + recall)


def conditional_entropy(of: list, given: list) -> float:
    """H(of | given) in bits."""
    pairs, sizes = Counter(zip(given, of, strict=True)), Counter(given)
    return -sum(n / len(of) * math.log2(n / sizes[key]) for (key, _), n in pairs.items())


def check(values: dict[str, float], true: list, found: list) -> None:
    assert values['ARE'] == pytest.approx(rand_error(true, found))
    assert values['VOI_split'] == pytest.approx(conditional_entropy(found, true))
    assert values['VOI_merge'] == pytest.approx(conditional_entropy(true, found))
    assert values['VOI'] == pytest.approx(values['VOI_split'] + values['VOI_merge'])


@needs_scikit_image
def test_the_right_membrane():
    values = measure(sample(TWO_CELLS, TWO_CELLS))
    assert values == pytest.approx(dict(ARE=0, VOI=0, VOI_split=0, VOI_merge=0))


@needs_scikit_image
def test_two_cells_are_merged():
    gap = [list(row) for row in TWO_CELLS]
    gap[1][3] = 0
    values = measure(sample(gap, TWO_CELLS))
    # two cells of 9 in one segment of 18
    assert values['VOI_split'] == pytest.approx(0)
    assert values['VOI_merge'] == pytest.approx(1)
    together, alone = 18 * 17 / 2, 2 * 9 * 8 / 2
    precision = alone / together
    assert values['ARE'] == pytest.approx(1 - 2 * precision / (precision + 1))
    check(values, 9 * [0] + 9 * [1], 18 * [0])


@needs_scikit_image
def test_a_cell_is_split():
    whole, split = [[0] * 7] * 2, [[0, 0, 0, M, 0, 0, 0]] * 2
    # with thin=False, the two membrane pixels are two more segments
    check(measure(sample(split, whole), thin=False), 14 * [0], [*6 * 'a', *6 * 'b', 'c', 'd'])
    # with thin=True, each belongs to one of the two neighbors: 8 and 6, or 7 and 7
    values = measure(sample(split, whole))
    assert values['VOI_merge'] == pytest.approx(0)
    sizes = [(6, 8), (7, 7)]
    expected = [-sum(n / 14 * math.log2(n / 14) for n in parts) for parts in sizes]
    assert any(values['VOI_split'] == pytest.approx(value) for value in expected)


@needs_scikit_image
def test_a_predicted_membrane_that_is_too_wide():
    wide = [[0, 0, M, M, M, 0, 0]] * 3
    assert measure(sample(wide, TWO_CELLS))['ARE'] == 0
    # of the 18 pixels of cells, 12 are in two segments and 6 are alone
    values = measure(sample(wide, TWO_CELLS), thin=False)
    check(values, 9 * [0] + 9 * [1], [*6 * 'a', *'bcd', *6 * 'e', *'fgh'])


@needs_scikit_image
def test_the_true_membrane_and_ignored_pixels_do_not_count():
    wide = [[0, 0, M, M, M, 0, 0]] * 3
    found = [[0, 0, 0, M, 0, 0, 0]] * 3  # narrower than the true one
    assert measure(sample(found, wide))['ARE'] == 0
    ignored = [[0, 0, 0, 255, 0, 0, 0]] * 3
    for column in ([0, 0, 0], [0, M, 0], [M, M, M]):
        found = [[0, 0, 0, value, 0, 0, 0] for value in column]
        assert measure(sample(found, ignored)) == measure(sample(TWO_CELLS, TWO_CELLS))


@needs_scikit_image
def test_cells_that_touch_at_a_corner_are_two():
    corner = [[0, M], [M, 0]]
    joined = [[0, 0], [M, 0]]
    values = measure(sample(joined, corner))
    assert values['VOI_merge'] == pytest.approx(1)


@needs_scikit_image
def test_all_is_predicted_as_membrane():
    values = measure(sample([[M] * 7] * 3, TWO_CELLS))  # no segment that could grow
    assert values['ARE'] == 1
    assert values['VOI_split'] == pytest.approx(math.log2(9))
    assert values['VOI_merge'] == pytest.approx(0)


@needs_scikit_image
def test_the_mean_over_images_and_the_values_of_each():
    gap = [list(row) for row in TWO_CELLS]
    gap[1][3] = 0
    metric = build(dict(type='MembraneMetric'), ('cell', 'membrane'))
    only_membrane = sample(TWO_CELLS, [[M] * 7] * 3, img_path='c.png')
    values = evaluate(metric, sample(gap, TWO_CELLS), sample(TWO_CELLS, TWO_CELLS), only_membrane)
    assert values['VOI_merge'] == pytest.approx(1 / 2)
    assert [row.get('VOI_merge') for row in metric.per_image] == pytest.approx([1, 0, None])
    assert metric.per_image[2] == dict(img_path='c.png')


@needs_scikit_image
def test_several_classes_of_cells():
    config = dict(type='MembraneMetric', membrane='wall')
    labels = [[0, 1, 2, 1, 0]]
    metric = build(config, ('inside', 'synapse', 'wall'))
    assert evaluate(metric, sample([[1, 0, 2, 0, 0]], labels))['VOI'] == 0
    with pytest.raises(ValueError, match="membrane='membrane' is not one of the classes"):
        evaluate(build(dict(type='MembraneMetric'), ('a', 'b')), sample(labels, labels))


@needs_scikit_image
def test_nothing_labeled_is_refused():
    with pytest.raises(ValueError, match='MembraneMetric found no labeled pixel in 1 image'):
        measure(sample([[0, 1]], [[255, 255]]))


def test_without_scikit_image_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'skimage.measure', None)
    with pytest.raises(UsageError, match=r'MembraneMetric needs scikit-image.*run pip install sci'):
        measure()
