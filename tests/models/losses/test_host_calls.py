"""Losses as MMSegmentation's heads and samplers call them: one logit, every reduction."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from mmseg.structures import OHEMPixelSampler

KINDS = ['SoftDiceLoss', 'SoftIoULoss', 'SoftmaxFocalLoss']
# the sigmoid of -ln 3, 0, ln 3 and ln 9 is 1/4, 1/2, 3/4 and 9/10
LOGITS = torch.tensor([-math.log(3), 0, math.log(3), math.log(9)]).double().view(1, 1, 2, 2)
LABEL = torch.tensor([[[0, 1], [1, 255]]])  # (1, 2, 2)

# probabilities of class 1: 1/4, 1/2, 3/4; labels 0, 1, 1
DICE_0 = 2 * (3 / 4) / ((3 / 4 + 1 / 2 + 1 / 4) + 1)
DICE_1 = 2 * (1 / 2 + 3 / 4) / ((1 / 4 + 1 / 2 + 3 / 4) + 2)
IOU_0 = (3 / 4) / (3 / 4 + 1 / 2 + 1 / 4 + 1 - 3 / 4)
IOU_1 = (5 / 4) / (1 / 4 + 1 / 2 + 3 / 4 + 2 - 5 / 4)
FOCAL = (1 / 4) ** 2 * math.log(4 / 3), (1 / 2) ** 2 * math.log(2), (1 / 4) ** 2 * math.log(4 / 3)


@pytest.mark.parametrize(
    ('kind', 'weights', 'expected'),
    [
        ('SoftDiceLoss', None, 1 - (DICE_0 + DICE_1) / 2),
        ('SoftDiceLoss', [0, 1], 1 - DICE_1),
        ('SoftIoULoss', None, 1 - (IOU_0 + IOU_1) / 2),
        ('SoftIoULoss', [3, 1], 1 - (3 * IOU_0 + IOU_1) / 4),
        ('SoftmaxFocalLoss', None, sum(FOCAL) / 3),
        ('SoftmaxFocalLoss', [5, 1], (5 * FOCAL[0] + FOCAL[1] + FOCAL[2]) / 7),
    ],
)
def test_one_logit_is_the_formula_on_its_sigmoid(kind, weights, expected):
    loss = MODELS.build(dict(type=kind, class_weight=weights))
    assert loss(LOGITS, LABEL).item() == pytest.approx(expected, abs=1e-7)


def test_one_logit_without_gamma_is_binary_cross_entropy():
    logits, label = torch.randn(2, 1, 4, 5), torch.randint(0, 2, (2, 4, 5))
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', gamma=0))
    expected = F.binary_cross_entropy_with_logits(logits[:, 0], label.float())
    torch.testing.assert_close(loss(logits, label), expected)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('scale', [100.0, 65504.0])
def test_one_logit_of_any_size_stays_finite(kind, scale):
    logits = torch.tensor([scale, -scale, scale, -scale]).view(1, 1, 2, 2).half().requires_grad_()
    loss = MODELS.build(dict(type=kind))(logits, torch.tensor([[[0, 1], [1, 0]]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def sample(classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = torch.randn(2, classes, 4, 5, dtype=torch.float64)
    label = torch.randint(0, max(classes, 2), (2, 4, 5))
    label[0, 1] = 255
    return logits, label, torch.rand(2, 4, 5)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('classes', [1, 3])
def test_reductions_fit_together(kind, classes):
    """'none' has a value per pixel, 'sum' is their sum, and the mean divides it."""
    logits, label, weight = sample(classes)
    weights = torch.arange(1.0, max(classes, 2) + 1)
    loss = MODELS.build(dict(type=kind, class_weight=weights.tolist(), loss_weight=0.5))
    rest = dict(weight=weight, ignore_index=255)
    each = loss(logits, label, reduction_override='none', **rest)
    total = loss(logits, label, reduction_override='sum', **rest)
    mean = loss(logits, label, **rest)
    assert each.shape == label.shape
    assert (each >= 0).all()
    assert not each[label == 255].any()
    torch.testing.assert_close(each.sum(), total)
    if kind == 'SoftmaxFocalLoss':  # a pixel counts as its class and its weight
        valid = label != 255
        divisor = (weights[label[valid]] * weight[valid]).sum()
    else:  # all classes occur
        divisor = weights.sum()
    torch.testing.assert_close(total / divisor, mean, check_dtype=False)
    by_four = loss(logits, label, avg_factor=4, **rest)
    torch.testing.assert_close(by_four, total / 4)
    torch.testing.assert_close(loss(logits, label, reduction_override='mean', **rest), mean)


@pytest.mark.parametrize('reduction', ['none', 'sum'])
def test_focal_without_gamma_is_pytorchs_cross_entropy_in_every_reduction(reduction):
    logits, label, _ = sample(3)
    weights = [0.5, 1.0, 4.0]
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', gamma=0, class_weight=weights))
    expected = F.cross_entropy(
        logits, label, torch.tensor(weights).double(), ignore_index=255, reduction=reduction
    )
    torch.testing.assert_close(loss(logits, label, reduction_override=reduction), expected)


def test_the_part_of_a_pixel_in_the_dice_loss():
    """(p + y - 2 p y) / sum(p + y) for each class, by hand; ignored: the pixel of 9/10."""
    loss = MODELS.build(dict(type='SoftDiceLoss', class_weight=[0, 1]))
    each = loss(LOGITS, LABEL, reduction_override='none')
    whole = 1 / 4 + 1 / 2 + 3 / 4 + 2
    expected = [[(1 / 4) / whole, (1 / 2 + 1 - 1) / whole], [(3 / 4 + 1 - 3 / 2) / whole, 0]]
    torch.testing.assert_close(each, torch.tensor([expected]).double(), atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    'options',
    [
        dict(reduction_override='median'),
        dict(reduction_override='sum', avg_factor=2.0),
        dict(reduction_override='sum', avg_factor=0),
    ],
)
@pytest.mark.parametrize('kind', KINDS)
def test_what_no_loss_can_do_is_refused(kind, options):
    logits, label, _ = sample(3)
    with pytest.raises(ValueError, match='use None'):
        MODELS.build(dict(type=kind))(logits, label, **options)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('channels', [1, 2])
def test_the_sampler_of_hard_pixels_keeps_those_that_add_most(kind, channels):
    """One wrong pixel, one that is wrong and ignored, and the rest right: the first is kept."""
    logits = torch.full((1, channels, 3, 3), -5.0)
    logits[:, -1, 0, :2] = 5.0
    if channels == 2:
        logits[:, 0] = -logits[:, 1]
    label = torch.zeros(1, 1, 3, 3, dtype=torch.long)
    label[..., 0, 1] = 255
    head = type('Head', (), dict(ignore_index=255, loss_decode=MODELS.build(dict(type=kind))))()
    sampler = OHEMPixelSampler(head, min_kept=2)
    weight = sampler.sample(logits, label)
    assert weight[0, 0, 0] == 1
    assert weight[0, 0, 1] == 0
    assert weight.sum() == 2
    head.loss_decode = torch.nn.ModuleList([head.loss_decode, CrossEntropyLoss(use_sigmoid=True)])
    if channels == 1:  # of both together, too
        assert sampler.sample(logits, label)[0, 0, 0] == 1
