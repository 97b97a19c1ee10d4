"""Hybrid attention against equations 1 to 3 of the paper, written with loops."""

import pytest
import torch

from mmseg_attn.models.layers import HybridAttention
from tests.measures import value_and_gradients


def hybrid_attention(x, w1, w2, weight, bias):
    n, channels, height, width = x.shape
    # Eq. 1: w_c = sigmoid(W2 ReLU(W1 GAP(F)))
    pooled = torch.einsum('nchw->nc', x) / (height * width)
    hidden = torch.einsum('hc,nc->nh', w1, pooled).clamp(min=0)
    channel = 1 / (1 + torch.exp(-torch.einsum('ch,nh->nc', w2, hidden)))
    # Eq. 2: w_s = sigmoid(Conv([MaxPool(F), AvgPool(F)]))
    maps = (x.sort(dim=1).values[:, -1], x.sum(dim=1) / channels)
    size = weight.shape[-1]
    logits = bias.expand(n, height, width)
    for k, pooled in enumerate(maps):
        padded = torch.nn.functional.pad(pooled, [size // 2] * 4)
        for i in range(size):
            for j in range(size):
                logits = logits + weight[0, k, i, j] * padded[:, i : i + height, j : j + width]
    spatial = 1 / (1 + torch.exp(-logits))
    # Eq. 3: F' = F * w_c * w_s
    return torch.einsum('nchw,nc,nhw->nchw', x, channel, spatial)


@pytest.mark.parametrize('kernel_size', [3, 7])
def test_equation(kernel_size):
    layer = HybridAttention(8, reduction=2, kernel_size=kernel_size).double()
    x = torch.randn(2, 8, 5, 6, dtype=torch.double, requires_grad=True)
    parameters = list(layer.parameters())
    actual = value_and_gradients(layer(x), [x, *parameters])
    expected = value_and_gradients(hybrid_attention(x, *parameters), [x, *parameters])
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)
    assert all(gradient.abs().sum() > 0 for gradient in actual[1:])


def test_defaults():
    shapes = [tuple(p.shape) for p in HybridAttention(64).parameters()]
    assert shapes == [(4, 64), (64, 4), (1, 2, 7, 7), (1,)]
