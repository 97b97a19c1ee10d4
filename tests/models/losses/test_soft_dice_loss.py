"""Hand-checked numbers, and what the loss promises."""

import pytest
import torch
from mmseg.registry import MODELS

P = [[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]]
LOGITS = torch.tensor(P, dtype=torch.float64).log().T[None, :, None]  # (1, 3, 1, 4)
LABEL = torch.tensor([[[0, 1, 1, 255]]])
# class 0: twice .5 over .5 + .1 + .3 + 1; class 1: twice .8 + .3 over .25 + .8 + .3 + 2
DICE_0, DICE_1 = 1 / 1.9, 2.2 / 3.35


def build(**options):
    return MODELS.build(dict(type='SoftDiceLoss', **options))


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(), 1 - (DICE_0 + DICE_1) / 2),
        (dict(class_weight=[3, 1, 7]), 1 - (3 * DICE_0 + DICE_1) / 4),
        (dict(loss_weight=2), 2 - (DICE_0 + DICE_1)),
    ],
)
def test_value(options, expected):
    assert build(**options)(LOGITS, LABEL).item() == pytest.approx(expected, abs=1e-12)


def test_ignored_pixels_change_nothing():
    logits, label = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    label[1] = 7
    alone = build()(logits[:1], label[:1], ignore_index=7)
    torch.testing.assert_close(build()(logits, label, ignore_index=7), alone)


def test_a_pixel_weight_of_two_counts_the_pixel_twice():
    logits, label = torch.randn(1, 3, 1, 5), torch.randint(0, 3, (1, 1, 5))
    weight = torch.tensor([[[1.0, 1, 2, 1, 0]]])
    twice = torch.tensor([0, 1, 2, 2, 3])
    expected = build()(logits[..., twice], label[..., twice])
    torch.testing.assert_close(build()(logits, label, weight=weight), expected)


def test_wrong_numbers_of_classes_are_named():
    label = torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match='3 values for 2 classes'):
        build(class_weight=[1, 2, 3])(torch.zeros(1, 1, 2, 2), label)
    with pytest.raises(ValueError, match='2 values for 3 classes'):
        build(class_weight=[1, 2])(torch.zeros(1, 3, 2, 2), label)
