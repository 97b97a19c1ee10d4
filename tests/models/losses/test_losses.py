"""Tables of hand-checked numbers, and the promises that both losses keep."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

LOSSES = ['SoftmaxFocalLoss', 'SoftIoULoss']


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    """Logits (1, C, 1, P) whose softmax is the given row for each pixel."""
    return torch.tensor(probabilities, dtype=torch.float64).log().T[None, :, None]


def labels_of(labels: list[int]) -> torch.Tensor:
    return torch.tensor(labels)[None, None]


P = [[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]]
Y = [0, 1, 1, 255]


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        # gamma 2: the mean of .25 ln 2, .04 ln 1.25 and .49 ln (10 / 3)
        (dict(), (0.25 * math.log(2) + 0.04 * math.log(1.25) + 0.49 * math.log(10 / 3)) / 3),
        (dict(gamma=0), (math.log(2) + math.log(1.25) + math.log(10 / 3)) / 3),
        (
            dict(gamma=1, class_weight=[3, 1, 7]),
            (3 * 0.5 * math.log(2) + 0.2 * math.log(1.25) + 0.7 * math.log(10 / 3)) / 5,
        ),
        (dict(gamma=0, loss_weight=0.5), 0.5 * (math.log(2 * 1.25 * 10 / 3)) / 3),
    ],
)
def test_focal(options, expected):
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', **options))
    assert loss(logits_of(P), labels_of(Y)).item() == pytest.approx(expected, abs=1e-12)


# class 0: .5 over .5 + .1 + .3 + 1 - .5; class 1: .8 + .3 over .25 + .8 + .3 + 2 - 1.1
IOU_0, IOU_1 = 0.5 / 1.4, 1.1 / 2.25


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(), 1 - (IOU_0 + IOU_1) / 2),
        (dict(class_weight=[3, 1, 7]), 1 - (3 * IOU_0 + IOU_1) / 4),
        (dict(loss_weight=2), 2 - (IOU_0 + IOU_1)),
    ],
)
def test_iou(options, expected):
    loss = MODELS.build(dict(type='SoftIoULoss', **options))
    assert loss(logits_of(P), labels_of(Y)).item() == pytest.approx(expected, abs=1e-12)


def test_focal_without_gamma_is_pytorchs_cross_entropy():
    logits, label = torch.randn(2, 4, 5, 6), torch.randint(0, 4, (2, 5, 6))
    label[0, :2] = 255
    weights = [0.5, 1.0, 2.0, 4.0]
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', gamma=0, class_weight=weights))
    expected = F.cross_entropy(logits, label, torch.tensor(weights), ignore_index=255)
    torch.testing.assert_close(loss(logits, label), expected)


@pytest.mark.parametrize('loss', LOSSES)
def test_gradients(loss):
    label = torch.randint(0, 3, (2, 3, 4))
    label[0, 0] = 255
    module = MODELS.build(dict(type=loss, class_weight=[1.0, 2.0, 3.0]))
    logits = torch.randn(2, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: module(x, label), logits)


@pytest.mark.parametrize('loss', LOSSES)
def test_ignored_pixels_change_nothing(loss):
    module = MODELS.build(dict(type=loss))
    logits, label = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    label[1] = 7
    alone = module(logits[:1], label[:1], ignore_index=7)
    torch.testing.assert_close(module(logits, label, ignore_index=7), alone)


@pytest.mark.parametrize('loss', LOSSES)
def test_a_pixel_weight_of_zero_is_the_same_as_ignoring(loss):
    module = MODELS.build(dict(type=loss))
    logits, label = torch.randn(1, 3, 4, 5), torch.randint(0, 3, (1, 4, 5))
    weight = torch.ones(1, 4, 5)
    weight[:, 2] = 0
    ignored = label.masked_fill(weight == 0, 255)
    torch.testing.assert_close(module(logits, label, weight=weight), module(logits, ignored))


@pytest.mark.parametrize('loss', LOSSES)
def test_wrong_numbers_of_classes_are_named(loss):
    label = torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match='3 values for 2 classes'):
        MODELS.build(dict(type=loss, class_weight=[1, 2, 3]))(torch.zeros(1, 1, 2, 2), label)
    with pytest.raises(ValueError, match='2 values for 3 classes'):
        MODELS.build(dict(type=loss, class_weight=[1, 2]))(torch.zeros(1, 3, 2, 2), label)
