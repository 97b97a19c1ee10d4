"""Scores by hand arithmetic on a few images."""

import math

import numpy as np
import pytest
import torch

from mmseg_attn.apps.runs import summarize
from mmseg_attn.apps.runs.statistics import measures, scores
from mmseg_attn.evaluation.metrics import PerClassIoUMetric

# cell: 8 pixels, of which 6 are found, and 7 predicted; wall: 3 of 4, and 5 predicted
AREAS = np.array([[6, 3, 0], [7, 5, 0], [8, 4, 0]])
CLASSES = ['cell', 'wall', 'third']


def test_hand_checked_measures():
    values = measures(AREAS)
    np.testing.assert_allclose(values['IoU'], [100 * 6 / 9, 100 * 3 / 6, np.nan])
    np.testing.assert_allclose(values['Dice'], [100 * 12 / 15, 100 * 6 / 9, np.nan])
    np.testing.assert_allclose(values['Precision'], [100 * 6 / 7, 60, np.nan])
    np.testing.assert_allclose(values['Recall'], [75, 75, np.nan])


def test_undefined_measures_are_left_out_and_count_in_no_mean():
    values = scores(AREAS, CLASSES)
    assert values['mIoU'] == pytest.approx((100 * 6 / 9 + 50) / 2)
    assert values['mAcc'] == values['mRecall'] == 75
    assert values['Acc.cell'] == values['Recall.cell'] == 75
    assert values['aAcc'] == 75
    assert not [name for name in values if name.endswith('third')]


def test_without_labels_there_are_no_scores():
    assert scores(np.zeros((3, 2), dtype=int), ['a', 'b']) == {}


def test_scores_are_those_of_the_metric_of_the_tools():
    generator = torch.Generator().manual_seed(0)
    truth, labels = torch.randint(3, (2, 40, 40), generator=generator)
    truth[:5] = 255
    metric = PerClassIoUMetric(iou_metrics=['mIoU', 'mDice', 'mFscore'])
    metric.dataset_meta = dict(classes=CLASSES)
    areas = metric.intersect_and_union(labels, truth, 3, 255)
    expected = metric.compute_metrics([areas])
    expected = {name: value for name, value in expected.items() if 'Fscore' not in name}
    intersection, _, predicted, labeled = (area.numpy() for area in areas)
    found = scores(np.stack([intersection, predicted, labeled]), CLASSES)
    assert found == pytest.approx(expected, abs=0.0051)


def test_summary():
    summary = summarize([{'a': 1.0, 'b': 2.0}, {'a': 4.0}])
    assert summary['a'] == dict(mean=2.5, std=math.sqrt(4.5), folds=[1.0, 4.0])
    assert summary['b'] == dict(mean=2.0, std=None, folds=[2.0, None])
