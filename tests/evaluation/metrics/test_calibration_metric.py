"""Expected calibration error in plain arithmetic."""

import math

import pytest
import torch

from mmseg_attn.evaluation.calibration import calibration_bins, expected_calibration_error
from tests.evaluation.metrics.samples import build, evaluate


def logits_of(*p: float) -> list[list[float]]:
    """Logits ``(2, 1, pixels)`` whose softmax gives class 1 these probabilities."""
    return [[[0.0] * len(p)], [[math.log(value / (1 - value)) for value in p]]]


def sample(logits: list, predicted: list, label: list) -> dict:
    return dict(
        seg_logits=dict(data=torch.tensor(logits)),
        pred_sem_seg=dict(data=torch.tensor([[predicted]])),
        gt_sem_seg=dict(data=torch.tensor([[label]])),
    )


def measure(*samples: dict, **options) -> float:
    metric = build(dict(type='CalibrationMetric', **options), ('ground', 'cell'))
    return evaluate(metric, *samples)['ECE']


def test_by_hand():
    # right with confidences of 0.85 and 0.95, wrong with 0.82 (of class 0) and 0.58; with ten bins
    # 0.85 and 0.82 share one
    one = sample(logits_of(0.85, 0.18, 0.95), [1, 0, 1], [1, 1, 1])
    two = sample(logits_of(0.58, 0.9), [1, 1], [0, 255])  # the second pixel is ignored
    expected = 2 / 4 * abs(1 / 2 - (0.85 + 0.82) / 2) + abs(1 - 0.95) / 4 + abs(0 - 0.58) / 4
    assert measure(one, two, bins=10) == pytest.approx(expected, abs=1e-6)
    # with one bin: accuracy 2 / 4, confidence 0.8
    assert measure(one, two, bins=1) == pytest.approx(0.3, abs=1e-6)
    # with two bins the same: all confidences are above a half
    assert measure(one, two, bins=2) == pytest.approx(0.3, abs=1e-6)


def test_the_bins():
    confidence = torch.tensor([0.0, 0.25, 0.26, 0.5, 1.0], dtype=torch.float64)
    correct = torch.tensor([True, False, True, True, False])
    table = calibration_bins(confidence, correct, bins=4)
    assert table.tolist() == [[2, 2, 0, 1], [1, 2, 0, 0], [0.25, 0.76, 0, 1]]
    gaps = [abs(1 - 0.25), abs(2 - 0.76), 0, abs(0 - 1)]
    assert expected_calibration_error(table) == pytest.approx(sum(gaps) / 5)


def test_fifteen_bins_by_default():
    assert calibration_bins(torch.rand(9), torch.ones(9)).shape == (3, 15)


def test_a_head_with_one_channel_stores_the_probability_of_class_1():
    # the threshold may be below a half: then the confidence of class 1 is, too
    p = [[[0.9, 0.3, 0.4]]]
    expected = (abs(1 - 0.9) + abs(1 - 0.7) + abs(0 - 0.4)) / 3
    assert measure(sample(p, [1.0, 0.0, 1.0], [1, 0, 0]), bins=10) == pytest.approx(expected)


def test_a_perfectly_calibrated_prediction():
    one = sample(logits_of(*[0.75] * 4), [1] * 4, [1, 1, 1, 0])
    assert measure(one) == pytest.approx(0, abs=1e-6)


def test_a_prediction_that_is_wrong_everywhere():
    one = sample(logits_of(0.75, 0.75), [1, 1], [0, 0])
    assert measure(one) == pytest.approx(0.75)


def test_an_ignored_image_changes_nothing_and_nothing_labeled_is_refused():
    one = sample(logits_of(0.9, 0.2), [1, 0], [1, 1])
    ignored = sample(logits_of(0.9, 0.2), [1, 0], [255, 255])
    assert measure(one, ignored) == measure(one)
    with pytest.raises(ValueError, match='CalibrationMetric found no labeled pixel in 1 image'):
        measure(ignored)


def test_bins_are_required():
    with pytest.raises(ValueError, match='bins must be at least 1, got 0'):
        measure(bins=0)
