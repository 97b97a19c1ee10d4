"""The temperature against plain NumPy, closed forms and known distributions."""

import math

import numpy as np
import pytest
import torch

from mmseg_attn.errors import DataError
from mmseg_attn.evaluation import temperature
from mmseg_attn.evaluation.temperature import (
    PixelSample,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from tests.libraries import needs_monai


def drawn(classes: int, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits, and labels from the probabilities of their softmax."""
    generator = np.random.default_rng(classes)
    logits = generator.normal(0, 2, (count, classes))
    if classes == 2:  # as of a head with one output channel
        logits[:, 0] = 0
    below = softmax(logits).cumsum(1) < generator.random((count, 1))
    return logits, below.sum(1).clip(max=classes - 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def likelihood(logits: np.ndarray, labels: np.ndarray, t: float = 1) -> float:
    p = softmax(logits.astype(np.float64) / t)
    return float(-np.log(p[np.arange(len(labels)), labels]).mean())


def fit(logits: np.ndarray, labels: np.ndarray) -> float:
    return fit_temperature(torch.from_numpy(logits).float(), torch.from_numpy(labels))


@pytest.mark.parametrize('classes', [2, 4])
@pytest.mark.parametrize('factor', [0.3, 2.5, 1e4, 1e-4])
def test_the_factor_of_the_logits_is_recovered(classes, factor):
    logits, labels = drawn(classes)
    assert fit(factor * logits, labels) == pytest.approx(factor, rel=0.03)


def test_the_likelihood_is_flat_and_largest_at_the_temperature(monkeypatch):
    logits, labels = drawn(3, 500)
    logits = (3 * logits).astype(np.float32)
    monkeypatch.setattr(temperature, 'CHUNK', 100)  # 33 pixels at a time
    best = fit(logits, labels)
    step = 1e-4 * best
    ends = [likelihood(logits, labels, best + sign * step) for sign in (-1, 1)]
    assert abs(ends[1] - ends[0]) / (2 * step) < 1e-7
    grid = np.linspace(0.5 * best, 2 * best, 301)
    values = [likelihood(logits, labels, t) for t in grid]
    assert grid[np.argmin(values)] == pytest.approx(best, rel=0.01)
    assert likelihood(logits, labels, best) <= min(values)
    measured = negative_log_likelihood(torch.from_numpy(logits), torch.from_numpy(labels), best)
    assert measured == pytest.approx(likelihood(logits, labels, best), rel=1e-9)


def test_two_classes_and_one_distance_in_closed_form():
    # 7 of 10 pixels are right, with logits (0, 5): sigmoid(5 / T) = 0.7
    labels = np.array([1] * 7 + [0] * 3)
    assert fit(np.array([[0.0, 5.0]] * 10), labels) == pytest.approx(5 / math.log(7 / 3), rel=1e-6)


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ([1, 1], 'all 2 labeled pixels are predicted right, so that any smaller temperature'),
        ([0, 0], 'not above the mean of all classes, so that no temperature .*: train it longer'),
        ([0, 1], 'not above the mean of all classes'),  # no better than chance
    ],
)
def test_no_temperature_is_the_best(labels, message):
    with pytest.raises(DataError, match=message):
        fit(np.array([[0.0, 5.0], [0.0, 5.0]]), np.array(labels))


def error_by_hand(p: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> float:
    confidence = p[np.arange(len(p)), predicted]
    gaps = []
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            accuracy = (predicted == labels)[inside].mean()
            gaps.append(inside.mean() * abs(accuracy - confidence[inside].mean()))
    return sum(gaps)


@pytest.mark.parametrize('t', [1, 2.5])
def test_the_calibration_error_in_numpy(t):
    logits, labels = drawn(3, 5000)
    logits, predicted = 2.5 * logits, logits.argmax(1)
    measured = calibration_error(*map(torch.from_numpy, (logits, labels, predicted)), t)
    expected = error_by_hand(softmax(logits / t), predicted, labels)
    assert measured == pytest.approx(expected, abs=1e-12)
    assert (measured < 0.02) == (t == 2.5)  # the labels are drawn from these probabilities


@needs_monai
def test_the_calibration_error_of_monai():
    calibration = pytest.importorskip('monai.metrics.calibration')  # since MONAI 1.6
    logits, labels = drawn(2, 5000)
    logits = 2 * logits
    p = torch.from_numpy(softmax(logits)).float()
    confidence, predicted = p.max(1)
    correct = (predicted == torch.from_numpy(labels)).float()
    metric = calibration.CalibrationErrorMetric(num_bins=15, right=False)
    metric(y_pred=confidence[None, None], y=correct[None, None])
    measured = calibration_error(torch.from_numpy(logits), torch.from_numpy(labels), predicted)
    assert measured == pytest.approx(float(metric.aggregate()), abs=1e-5)


def numbered(start: int, stop: int) -> tuple[torch.Tensor, ...]:
    numbers = torch.arange(start, stop)
    return torch.stack([numbers, -numbers], 1).float(), numbers, numbers + 1


def test_a_sample_has_all_pixels_if_they_fit():
    sample = PixelSample(10)
    for ends in ((0, 4), (4, 4), (4, 10)):
        sample.add(*numbered(*ends))
    assert (len(sample), sample.seen) == (10, 10)
    assert sorted(sample.labels.tolist()) == list(range(10))


def test_a_sample_is_uniform_whatever_the_images():
    counts = np.zeros(4)
    for seed in range(200):
        parts = [PixelSample(10, seed=seed) for _ in range(2)]
        parts[0].add(*numbered(0, 40))
        for ends in ((0, 5), (5, 12), (12, 38), (38, 40)):
            parts[1].add(*numbered(*ends))
            assert len(parts[1]) <= 10
        sets = [set(part.labels.tolist()) for part in parts]
        assert sets[0] == sets[1]
        assert len(sets[0]) == 10
        assert parts[1].seen == 40
        assert torch.equal(parts[1].logits[:, 0].long(), parts[1].labels)
        assert torch.equal(parts[1].predicted, parts[1].labels + 1)
        counts += np.bincount(np.array(list(sets[0])) // 10, minlength=4)
    assert abs(counts - 500).max() < 5 * math.sqrt(500)  # of 2000 in each quarter
