"""Losses and accuracy against their equations, and against MMSegmentation's own to the last bit."""

import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.losses.accuracy import accuracy as mmseg_accuracy
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_attn.engine import async_loss
from mmseg_attn.engine.async_loss import AsyncCrossEntropyLoss, accuracy, make_losses_async

LN3 = math.log(3)  # the cross entropy of three equal logits


def loss(**settings) -> AsyncCrossEntropyLoss:
    return AsyncCrossEntropyLoss(MODELS.build(dict(type='CrossEntropyLoss', **settings)))


@pytest.mark.parametrize(
    ('settings', 'counts_weights', 'expected'),
    [
        # labels 0, 1, 2 and an ignored one
        (dict(avg_non_ignore=True), True, LN3),
        (dict(avg_non_ignore=False), True, 3 / 4 * LN3),
        (dict(avg_non_ignore=True, loss_weight=0.4), True, 0.4 * LN3),
        (dict(avg_non_ignore=True, reduction='sum'), True, 3 * LN3),
        (dict(avg_non_ignore=True, class_weight=[1.0, 2.0, 6.0]), True, LN3),
        (dict(avg_non_ignore=False, class_weight=[1.0, 2.0, 6.0]), True, LN3),
        (dict(avg_non_ignore=True, class_weight=[1.0, 2.0, 6.0]), False, 9 / 3 * LN3),
        (dict(avg_non_ignore=False, class_weight=[1.0, 2.0, 6.0]), False, 9 / 4 * LN3),
    ],
)
def test_cross_entropy_by_its_equation(monkeypatch, settings, counts_weights, expected):
    original = async_loss.cross_entropy

    def cross_entropy(*args, class_weight=None, avg_factor=None, **kwargs):
        if class_weight is not None and avg_factor is None:  # what MMSegmentation 1.1 would do
            avg_factor = 4.0
        return original(*args, class_weight=class_weight, avg_factor=avg_factor, **kwargs)

    monkeypatch.setattr(async_loss, 'cross_entropy', cross_entropy)
    monkeypatch.setattr(async_loss, '_counts_class_weights', lambda: counts_weights)
    label = torch.tensor([[[0, 1], [2, 255]]])
    value = loss(**settings)(torch.ones(1, 3, 2, 2), label, ignore_index=255)
    assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('settings', [{}, dict(class_weight=[0.3, 2.0, 1.1])])
@pytest.mark.parametrize('avg_non_ignore', [False, True])
@pytest.mark.parametrize('ignored', [False, True])
def test_cross_entropy_to_the_last_bit(settings, avg_non_ignore, ignored):
    if settings and ignored:
        pytest.skip('MMSegmentation 1.2 has no weight for an ignored label')
    theirs = MODELS.build(dict(type='CrossEntropyLoss', avg_non_ignore=avg_non_ignore, **settings))
    logits, label = torch.randn(2, 3, 9, 7), torch.randint(3, (2, 9, 7))
    if ignored:
        label[:, :2] = 255
    pixel_weight = torch.rand(2, 9, 7)
    for weight in (None, pixel_weight):
        args = dict(weight=weight, ignore_index=255)
        try:
            expected = theirs(logits, label, **args)
        except IndexError:
            pytest.skip('this MMSegmentation cannot compute this loss')
        assert torch.equal(AsyncCrossEntropyLoss(theirs)(logits, label, **args), expected)


def test_an_ignored_class_keeps_the_weight_that_mmsegmentation_gives_it():
    theirs = MODELS.build(
        dict(type='CrossEntropyLoss', class_weight=[0.3, 2.0, 1.1], avg_non_ignore=False)
    )
    logits, label = torch.randn(2, 3, 9, 7), torch.randint(3, (2, 9, 7))
    expected = theirs(logits, label, ignore_index=0)
    assert torch.equal(AsyncCrossEntropyLoss(theirs)(logits, label, ignore_index=0), expected)


def test_the_installed_mmsegmentation_is_asked_whether_class_weights_count():
    weights = torch.tensor([1.0, 3.0])
    label = torch.tensor([[[0, 1]]])
    value = async_loss.cross_entropy(torch.zeros(1, 2, 1, 2), label, class_weight=weights)
    expected = math.log(2) if async_loss._counts_class_weights() else 4 / 2 * math.log(2)
    assert value.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ('labels', 'expected'),
    [([0, 1, 1, 255], 200 / 3), ([0, 1, 0, 1], 100), ([255] * 4, 100), ([1, 0, 1, 0], 0)],
)
def test_accuracy(labels, expected):
    logits = torch.tensor([[[3.0, 1.0, 3.0, 1.0]], [[1.0, 3.0, 1.0, 3.0]]])[None]  # 0, 1, 0, 1
    label = torch.tensor(labels).view(1, 1, 4)
    value = accuracy(logits, label, 255)
    assert value.tolist() == [pytest.approx(expected, abs=1e-4)]
    assert torch.equal(value, mmseg_accuracy(logits, label, ignore_index=255))


@pytest.mark.parametrize('value', range(5))
def test_accuracy_to_the_last_bit_with_equal_logits(value):
    logits, label = torch.randint(3, (2, 5, 16, 16)).float(), torch.full((2, 16, 16), value)
    label[0, :3] = 255
    expected = mmseg_accuracy(logits, label, ignore_index=255)
    assert torch.equal(accuracy(logits, label, 255), expected)


class OwnHead(MODELS.get('FCNHead')):
    """A head that computes its losses itself."""

    def loss_by_feat(self, seg_logits, batch_data_samples):
        return dict(loss_own=seg_logits.sum())


def segmentor(kind: str = 'FCNHead', **losses) -> torch.nn.Module:
    norm = dict(type='BN')
    head = dict(
        in_channels=8,
        in_index=1,
        channels=4,
        num_convs=1,
        num_classes=3,
        norm_cfg=norm,
        dropout_ratio=0,
        **losses,
    )
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='UNetEncoder', channels=[4, 8], norm_cfg=norm),
            decode_head=dict(head, type=OwnHead if kind == 'OwnHead' else kind),
            auxiliary_head=[dict(head, type='FCNHead'), dict(head, type='FCNHead')],
        )
    )


def test_all_heads_of_a_model_give_the_same_losses_and_gradients():
    weighted = dict(type='CrossEntropyLoss', class_weight=[0.3, 2.0, 1.1], avg_non_ignore=False)
    model = segmentor(loss_decode=[weighted, dict(type='SoftDiceLoss'), dict(weighted)])
    images, labels = torch.randn(2, 3, 16, 16), torch.randint(3, (2, 1, 16, 16))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    results = []
    for change in (lambda model: None, make_losses_async):
        change(model)
        model.zero_grad()
        losses = model.loss(images, samples)
        model.parse_losses(losses)[0].backward()
        gradients = [weight.grad.clone() for weight in model.parameters()]
        results.append(({name: value.detach() for name, value in losses.items()}, gradients))
    (expected, expected_gradients), (found, gradients) = results
    assert [*found] == [*expected]
    assert len(found) == 3 * 3
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name
    assert all(map(torch.equal, gradients, expected_gradients))
    kinds = [type(module) for module in model.modules()]
    assert kinds.count(AsyncCrossEntropyLoss) == 6
    assert len(model.state_dict()) == len(segmentor().state_dict())


def test_heads_and_losses_of_their_own_are_left_alone():
    sigmoid = dict(type='CrossEntropyLoss', use_sigmoid=True)
    model = segmentor('OwnHead', loss_decode=sigmoid)
    make_losses_async(model)
    assert 'loss_by_feat' not in vars(model.decode_head)
    assert 'loss_by_feat' in vars(model.auxiliary_head[0])
    assert not any(isinstance(each, AsyncCrossEntropyLoss) for each in model.modules())
