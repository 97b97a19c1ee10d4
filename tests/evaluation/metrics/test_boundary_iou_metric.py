"""Boundary regions in plain arithmetic, and their IoU."""

import math
import random
from itertools import product

import numpy as np
import pytest

from mmseg_attn.evaluation.metrics.boundary_iou_metric import boundary
from tests.evaluation.metrics.samples import build, evaluate, sample

CLASSES = ('ground', 'cell')


def measure(*samples: dict, **options) -> dict[str, float]:
    return evaluate(build(dict(type='BoundaryIoUMetric', **options), CLASSES), *samples)


def near_the_outside(mask: list[list[int]], distance: int) -> list[list[int]]:
    """The pixels of a mask at most so many steps of a king from a pixel outside of it."""
    height, width = len(mask), len(mask[0])
    steps = range(-distance, distance + 1)
    region = [[0] * width for _ in range(height)]
    for y, x in product(range(height), range(width)):
        for dy, dx in product(steps, steps):
            v, u = y + dy, x + dx
            outside = not (0 <= v < height and 0 <= u < width and mask[v][u])
            region[y][x] |= int(mask[y][x] and outside)
    return region


def test_the_width_is_two_percent_of_the_diagonal():
    mask = np.ones((300, 400), bool)  # diagonal 500
    region = boundary(mask, 0.02)
    assert not region[10:-10, 10:-10].any()
    assert region.sum() == 300 * 400 - 280 * 380
    assert boundary(mask[:9, :9], 0.02).sum() == 81 - 49  # at least one pixel


@pytest.mark.parametrize('ratio', [0.02, 0.1, 0.2])
def test_any_shapes(ratio):
    generator = random.Random(0)
    for fraction in (0.5, 0.9, 0.97, 1):
        mask = [[int(generator.random() < fraction) for _ in range(15)] for _ in range(8)]
        distance = {0.02: 1, 0.1: 2, 0.2: 3}[ratio]  # of 17
        assert math.hypot(8, 15) == 17
        region = boundary(np.array(mask, bool), ratio)
        assert region.astype(int).tolist() == near_the_outside(mask, distance)


def test_intersections_and_unions_are_summed_over_the_images():
    # a 4x4 square has a ring of 12 pixels; shifted by a column, the rings share 3 + 3 pixels of the
    # rows and no column
    full = [[0] * 7 for _ in range(6)]
    square, shifted = ([row[:] for row in full] for _ in range(2))
    for y, x in product(range(1, 5), range(1, 5)):
        square[y][x] = shifted[y][x + 1] = 1
    metric = build(dict(type='BoundaryIoUMetric'), CLASSES)
    values = evaluate(metric, sample(shifted, square), sample(square, square, img_path='b.png'))
    assert values['BIoU.cell'] == pytest.approx(100 * (6 + 12) / (18 + 12))
    assert values['mBIoU'] == pytest.approx((values['BIoU.cell'] + values['BIoU.ground']) / 2)
    first, second = metric.per_image
    assert first['BIoU.cell'] == pytest.approx(100 * 6 / 18)
    assert (second['img_path'], second['BIoU.cell']) == ('b.png', 100)


def test_the_inside_does_not_count():
    label = [[1] * 9 for _ in range(9)]
    hole = [row[:] for row in label]
    hole[4][4] = 0
    assert measure(sample(label, label))['BIoU.cell'] == 100
    # the hole adds the eight pixels around it to the ring of 32
    assert measure(sample(hole, label))['BIoU.cell'] == pytest.approx(100 * 32 / 40)


def test_a_class_that_occurs_nowhere_is_left_out():
    assert measure(sample([[0, 0]], [[0, 0]])) == {'mBIoU': 100, 'BIoU.ground': 100}
    assert measure(sample([[0, 1]], [[0, 0]]))['BIoU.cell'] == 0


def test_ignored_pixels_are_outside_of_the_image():
    label = [[1] * 5 + [255] * 3 for _ in range(5)]
    predicted = [[1] * 5 + [0, 1, 0] for _ in range(5)]
    assert measure(sample(predicted, label)) == {'mBIoU': 100, 'BIoU.cell': 100}
    predicted[2][2] = 0
    cut = sample([row[:5] for row in predicted], [row[:5] for row in label])
    assert measure(sample(predicted, label)) == measure(cut)


def test_nothing_labeled_is_refused():
    with pytest.raises(ValueError, match='BoundaryIoUMetric found no labeled pixel in 1 image'):
        measure(sample([[0, 1]], [[255, 255]]))


@pytest.mark.parametrize('ratio', [0, -1, 1.5, math.nan])
def test_the_width_of_the_region_is_a_fraction_of_the_diagonal(ratio):
    with pytest.raises(ValueError, match=r'dilation_ratio must be above 0 and up to 1, got '):
        measure(dilation_ratio=ratio)
