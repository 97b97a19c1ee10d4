import numpy as np
import pytest
import torch

from mmseg_attn.apps.report.cases import choose
from mmseg_attn.apps.report.evaluation import classwise, confusions, metrics
from mmseg_attn.evaluation.metrics import PerClassIoUMetric

# true cell: 6 right, 2 taken for wall; true wall: 1 taken for cell, 3 right; no third class
COUNTS = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
CLASSES = ['cell', 'wall', 'third']


def test_hand_checked_measures():
    measured = classwise(COUNTS)
    np.testing.assert_allclose(measured['IoU'], [100 * 6 / 9, 100 * 3 / 6, np.nan])
    np.testing.assert_allclose(measured['Dice'], [100 * 12 / 15, 100 * 6 / 9, np.nan])
    np.testing.assert_allclose(measured['Precision'], [100 * 6 / 7, 60, np.nan])
    np.testing.assert_allclose(measured['Recall'], [75, 75, np.nan])


def test_undefined_measures_are_left_out_and_count_in_no_mean():
    measured = metrics(COUNTS, CLASSES)
    assert measured['mIoU'] == pytest.approx((100 * 6 / 9 + 50) / 2)
    assert measured['mAcc'] == 75
    assert measured['aAcc'] == 75
    assert not [name for name in measured if name.endswith('third')]


def test_nothing_was_labeled():
    assert metrics(np.zeros((2, 2), dtype=int), ['a', 'b']) == {}


def test_the_same_as_the_metric_of_the_tools():
    generator = torch.Generator().manual_seed(0)
    truth, labels = torch.randint(3, (2, 40, 40), generator=generator)
    truth[:5] = 255
    metric = PerClassIoUMetric(iou_metrics=['mIoU', 'mDice', 'mFscore'])
    metric.dataset_meta = dict(classes=CLASSES)
    areas = metric.intersect_and_union(labels, truth, 3, 255)
    expected = metric.compute_metrics([areas])
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (truth[5:].numpy(), labels[5:].numpy()), 1)
    measured = metrics(counts, CLASSES)
    assert {name.partition('.')[0] for name in measured} <= {
        name.partition('.')[0] for name in expected
    }
    assert measured == pytest.approx({name: expected[name] for name in measured}, abs=0.0051)


def test_best_median_and_worst():
    scores = dict(a=10.0, b=50.0, c=30.0, d=20.0, e=40.0, f=float('nan'))
    assert choose(scores, 1) == dict(best=['b'], median=['c'], worst=['a'])
    assert choose(scores, 2) == dict(best=['b', 'e'], median=['c'], worst=['d', 'a'])
    assert choose(scores, 0) == dict(best=[], median=[], worst=[])


def test_the_median_of_an_even_number_is_the_lower_one():
    scores = {name: float(value) for value, name in enumerate('abcdef')}
    assert choose(scores, 1)['median'] == ['c']  # of a to f, c has 2 and d has 3


def test_images_are_chosen_once_and_equal_ones_by_name():
    assert choose(dict(b=1.0, a=1.0), 1) == dict(best=['a'], median=[], worst=['b'])
    assert choose(dict(a=1.0), 3) == dict(best=['a'], median=[], worst=[])


def test_the_largest_confusions_first():
    counts = np.array([[90, 10, 0], [30, 70, 0], [0, 1, 199]])
    assert confusions(counts, CLASSES, 5) == [('wall', 'cell', 30.0), ('cell', 'wall', 10.0)]
    assert confusions(counts, CLASSES, 1) == [('wall', 'cell', 30.0)]
