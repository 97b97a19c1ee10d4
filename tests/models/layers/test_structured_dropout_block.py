import pytest
import torch
import torch.nn.functional as F

from mmseg_attn.models.layers import StructuredDropoutBlock
from tests.measures import value_and_gradients

ATTENTION = dict(type='SpatialAttention')


def conv_norm_relu(x, weight, bias, gain, shift):
    y = F.conv2d(x, weight, bias, padding=1)
    mean = y.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((y - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    y = (y - mean) / (variance + 1e-5).sqrt()
    return (y * gain[:, None, None] + shift[:, None, None]).clamp(min=0)


def weigh(x, weight):
    pooled = torch.stack([x.sum(dim=1) / x.shape[1], x.max(dim=1).values], dim=1)
    return x / (1 + torch.exp(-F.conv2d(pooled, weight, padding=3)))


@pytest.mark.parametrize('attention', [None, ATTENTION], ids=['plain', 'attention'])
def test_equation_without_dropping(attention):
    block = StructuredDropoutBlock(
        3, 4, drop_rate=0.0, attention=attention, norm_cfg=dict(type='BN')
    ).double()
    x = torch.randn(2, 3, 9, 8, dtype=torch.double, requires_grad=True)
    parameters = list(block.parameters())
    expected = conv_norm_relu(x, *parameters[:4])
    if attention:
        expected = weigh(expected, parameters[4])
    expected = conv_norm_relu(expected, *parameters[-4:])
    wrt = [x, *parameters]
    actual = value_and_gradients(block(x), wrt)
    torch.testing.assert_close(actual, value_and_gradients(expected, wrt), rtol=1e-9, atol=1e-11)


def test_the_order_of_the_layers():
    unit = ['Conv2d', 'DropBlock', 'BatchNorm2d', 'ReLU']
    block = StructuredDropoutBlock(3, 4, norm_cfg=dict(type='BN'))
    assert [type(m).__name__ for m in block] == 2 * unit
    block = StructuredDropoutBlock(3, 4, attention=ATTENTION, norm_cfg=dict(type='BN'))
    assert [type(m).__name__ for m in block] == [*unit, 'SpatialAttention', *unit]
    block = StructuredDropoutBlock(3, 4, act_cfg=dict(type='LeakyReLU'))
    assert [type(m).__name__ for m in block] == 2 * ['Conv2d', 'DropBlock', 'LeakyReLU']


def test_rate_and_size_are_the_authors_and_reach_both():
    for options, expected in [({}, (0.18, 7)), (dict(drop_rate=0.3, drop_size=5), (0.3, 5))]:
        first, second = list(StructuredDropoutBlock(3, 4, **options))[1::3]
        assert (first.rate, first.block_size) == (second.rate, second.block_size) == expected


def test_evaluation_is_the_same_every_time_and_training_is_not():
    block = StructuredDropoutBlock(3, 4)
    x = torch.randn(1, 3, 20, 20)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


def test_another_attention_may_stand_between():
    block = StructuredDropoutBlock(3, 16, attention=dict(type='CSAM'))
    assert type(block[3]).__name__ == 'CSAM'
    assert block(torch.randn(1, 3, 5, 5)).shape == (1, 16, 5, 5)
