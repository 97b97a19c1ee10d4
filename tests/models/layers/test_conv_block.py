import pytest
import torch
from torch import nn

from mmseg_attn.models.layers import Concatenation, ConvBlock, per_level


def test_is_convolution_normalization_activation_twice():
    block = ConvBlock(3, 8, norm_cfg=dict(type='BN')).double()
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [c.bias for c in convs] == [None, None]
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    expected = x
    for conv, _ in zip(convs, norms, strict=True):
        expected = nn.functional.conv2d(expected, conv.weight, padding=1)
        mean = expected.mean(dim=(0, 2, 3), keepdim=True)
        variance = expected.var(dim=(0, 2, 3), keepdim=True, correction=0)
        expected = ((expected - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(block(x), expected)


def test_without_normalization_the_convolutions_have_a_bias():
    block = ConvBlock(3, 8, num_convs=3, kernel_size=1)
    assert sum(p.numel() for p in block.parameters()) == (3 + 1) * 8 + 2 * (8 + 1) * 8
    assert block(torch.randn(1, 3, 5, 7)).shape == (1, 8, 5, 7)


def test_a_bias_beside_the_normalization_is_asked_for():
    block = ConvBlock(3, 8, bias=True, norm_cfg=dict(type='BN'))
    assert [layer.conv.bias is not None for layer in block] == [True, True]
    assert all(layer.with_norm for layer in block)


def test_dropout_comes_last_and_only_in_training():
    block = ConvBlock(3, 8, dropout=0.5)
    x = torch.randn(1, 3, 5, 7)
    kept = block.eval()(x)
    dropped = block.train()(x)
    survivors = dropped != 0
    torch.testing.assert_close(dropped[survivors], 2 * kept[survivors])
    assert 0.3 < (dropped[kept > 0] == 0).float().mean() < 0.7


def test_concatenation_puts_the_skip_first():
    skip, up = torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3)
    fusion = Concatenation(2)
    assert fusion.out_channels == 4
    assert fusion(skip, up)[0, :, 0, 0].tolist() == [0, 0, 1, 1]


def test_per_level():
    one, other = dict(type='A'), dict(type='B')
    assert per_level(None, 2) == [dict(type=ConvBlock)] * 2
    assert per_level(one, 2) == [one, one]
    assert per_level([one, other], 2) == [one, other]
    with pytest.raises(ValueError, match='2 configs for 3 levels'):
        per_level([one, other], 3)
