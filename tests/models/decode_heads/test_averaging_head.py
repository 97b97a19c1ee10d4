import pytest
import torch

from mmseg_attn.models.decode_heads import AveragingHead
from tests.measures import Operators

LOSS = dict(type='CrossEntropyLoss')


def head(**kwargs) -> AveragingHead:
    return AveragingHead([3, 3, 3], num_classes=4, loss_decode=LOSS, **kwargs)


def test_is_the_mean_of_one_linear_classifier_per_map():
    averaging = head().double()
    maps = torch.randn(3, 2, 3, 5, 7, dtype=torch.float64)
    expected = torch.zeros(2, 4, 5, 7, dtype=torch.float64)
    for x, conv in zip(maps, averaging.conv_seg, strict=True):
        weight, bias = conv.weight[:, :, 0, 0], conv.bias[:, None, None]
        expected += (torch.einsum('kc,nchw->nkhw', weight, x) + bias) / 3
    torch.testing.assert_close(averaging(tuple(maps)), expected)


def test_has_no_other_parameters_and_all_learn():
    averaging = head()
    averaging(tuple(torch.randn(3, 2, 3, 5, 7))).square().sum().backward()
    assert sum(p.numel() for p in averaging.parameters()) == 3 * (3 + 1) * 4
    assert all(p.grad.any() for p in averaging.parameters())


def test_chooses_its_maps():
    maps = torch.randn(4, 2, 3, 5, 7)
    torch.manual_seed(0)
    first = head()
    torch.manual_seed(0)
    chosen = head(in_index=[3, 0, 1])
    torch.testing.assert_close(chosen(tuple(maps)), first((maps[3], maps[0], maps[1])))


@pytest.mark.parametrize('training', [True, False])
def test_dropout_only_in_training(training):
    averaging = head(dropout_ratio=0.5).train(training)
    maps = tuple(torch.randn(3, 2, 3, 5, 7))
    assert torch.equal(averaging(maps), averaging(maps)) is not training


def test_three_maps_take_two_sums():
    with Operators() as seen:
        head()(tuple(torch.randn(3, 2, 3, 5, 7)))
    assert seen.calls['add'] == 2
