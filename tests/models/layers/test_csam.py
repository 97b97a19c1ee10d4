"""CSAM against section 2.3 of the paper, written with loops."""

import pytest
import torch

from mmseg_attn.models.layers import CSAM
from tests.measures import value_and_gradients


def channel_weights(x, first, second):
    """sigmoid(MLP(GAP(x)) + MLP(GMP(x)))"""
    positions = x.flatten(2)
    mean = positions.sum(dim=2) / positions.shape[2]
    largest = positions.sort(dim=2).values[..., -1]
    logits = sum((pooled @ first.T).clamp(min=0) @ second.T for pooled in (mean, largest))
    return 1 / (1 + torch.exp(-logits))


def spatial_weights(x, weight, bias):
    """sigmoid(Conv([mean over channels, max over channels]))"""
    _, channels, height, width = x.shape
    maps = (x.sum(dim=1) / channels, x.sort(dim=1).values[:, -1])
    size = weight.shape[-1]
    logits = bias.expand(len(x), height, width)
    for pooled, kernel in zip(maps, weight[0], strict=True):
        padded = torch.nn.functional.pad(pooled, [size // 2] * 4)
        for i in range(size):
            for j in range(size):
                logits = logits + kernel[i, j] * padded[:, i : i + height, j : j + width]
    return 1 / (1 + torch.exp(-logits))


def csam(x, first, second, weight, bias, order):
    weighted = torch.einsum('nchw,nc->nchw', x, channel_weights(x, first, second))
    source = x if order == 'parallel' else weighted
    return torch.einsum('nchw,nhw->nchw', weighted, spatial_weights(source, weight, bias))


@pytest.mark.parametrize('order', ['sequential', 'parallel'])
@pytest.mark.parametrize('kernel_size', [3, 7])
def test_equation(order, kernel_size):
    layer = CSAM(8, reduction=2, kernel_size=kernel_size, order=order).double()
    x = torch.randn(2, 8, 5, 6, dtype=torch.double, requires_grad=True)
    parameters = list(layer.parameters())
    actual = value_and_gradients(layer(x), [x, *parameters])
    expected = value_and_gradients(csam(x, *parameters, order), [x, *parameters])
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)
    assert all(gradient.abs().sum() > 0 for gradient in actual[1:])


def test_defaults():
    layer = CSAM(64)
    assert layer.order == 'sequential'
    shapes = [tuple(p.shape) for p in layer.parameters()]
    assert shapes == [(4, 64), (64, 4), (1, 2, 7, 7), (1,)]


def test_few_channels_leave_one_hidden_unit():
    assert CSAM(8).channel.mlp[0].out_features == 1


def test_refuses_unknown_order():
    with pytest.raises(ValueError, match="order must be 'sequential' or 'parallel', got 'spatial'"):
        CSAM(16, order='spatial')


def test_refuses_even_kernel():
    with pytest.raises(ValueError, match=r'kernel_size must be odd .* got 4'):
        CSAM(16, kernel_size=4)
