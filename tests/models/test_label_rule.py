"""Probabilities and labels in plain arithmetic."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmseg_attn.models.label_rule import LabelRule, class_count, class_logits, stored_probabilities


def head(channels: int, threshold: float | None = 0.3) -> SimpleNamespace:
    return SimpleNamespace(out_channels=channels, threshold=threshold)


@pytest.mark.parametrize(('channels', 'classes'), [(1, 2), (2, 2), (3, 3), (19, 19)])
def test_classes(channels, classes):
    assert class_count(channels) == LabelRule(channels).classes == classes
    assert LabelRule.of(SimpleNamespace(decode_head=head(channels))).classes == classes


def test_the_last_head_of_a_cascade_predicts():
    class Head(nn.Module):
        out_channels, threshold = 1, 0.6

    cascade = nn.ModuleList([nn.Identity(), Head()])
    assert LabelRule.of(SimpleNamespace(decode_head=cascade)) == LabelRule(1, 0.6)


def test_a_threshold_counts_for_one_channel_only():
    assert LabelRule.of(SimpleNamespace(decode_head=head(2, 0.7))).threshold is None


@pytest.mark.parametrize('threshold', [0.1, 0.3, 0.5, 0.9])
def test_labels_of_one_channel(threshold):
    values = [-3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0]
    labels = LabelRule(1, threshold).labels(torch.tensor(values).view(1, 1, 1, -1))
    expected = [int(1 / (1 + math.exp(-value)) > threshold) for value in values]
    assert labels.flatten().tolist() == expected
    assert labels.shape == (1, 1, 1, 7)
    assert not labels.is_floating_point()


def test_labels_of_several_channels():
    logits = torch.tensor([[1.0, 5.0], [2.0, 4.0], [3.0, 3.0]]).view(1, 3, 1, 2)
    assert LabelRule(3).labels(logits).tolist() == [[[[2, 0]]]]


def test_the_softmax_of_class_logits_is_the_sigmoid():
    z = torch.tensor([-2.0, 0.0, 1.5]).view(1, 1, 1, 3)
    p = class_logits(z).softmax(dim=1)
    expected = [[1 / (1 + math.exp(s * value)) for value in (-2, 0, 1.5)] for s in (1, -1)]
    torch.testing.assert_close(p[0, :, 0], torch.tensor(expected))
    assert class_logits(p) is p


def test_probabilities_of_what_mmsegmentation_stores():
    stored = torch.tensor([[[0.2, 0.9]]])  # of class 1, for a head with one channel
    torch.testing.assert_close(
        stored_probabilities(stored), torch.tensor([[[0.8, 0.1]], [[0.2, 0.9]]])
    )
    logits = torch.tensor([[[1.0]], [[3.0]], [[0.0]]])
    total = sum(math.exp(value) for value in (1, 3, 0))
    expected = [math.exp(value) / total for value in (1, 3, 0)]
    for dtype, result in ((torch.float16, torch.float32), (torch.float64, torch.float64)):
        p = stored_probabilities(logits.to(dtype))
        assert p.flatten().tolist() == pytest.approx(expected)
        assert p.dtype == result
