"""SA-UNet's spatial attention against its equation, written with loops."""

import torch

from mmseg_attn.models.layers import SpatialAttention
from tests.measures import value_and_gradients


def spatial_attention(x, weight):
    """F' = F * sigmoid(Conv7x7([mean_c(F), max_c(F)])), without bias"""
    _, channels, height, width = x.shape
    maps = (x.sum(dim=1) / channels, x.sort(dim=1).values[:, -1])
    logits = 0
    for pooled, kernel in zip(maps, weight[0], strict=True):
        padded = torch.nn.functional.pad(pooled, [3] * 4)
        for i in range(7):
            for j in range(7):
                logits = logits + kernel[i, j] * padded[:, i : i + height, j : j + width]
    return torch.einsum('nchw,nhw->nchw', x, 1 / (1 + torch.exp(-logits)))


def test_equation():
    layer = SpatialAttention(8).double()
    x = torch.randn(2, 8, 5, 6, dtype=torch.double, requires_grad=True)
    (weight,) = layer.parameters()
    actual = value_and_gradients(layer(x), [x, weight])
    expected = value_and_gradients(spatial_attention(x, weight), [x, weight])
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)
    assert all(gradient.abs().sum() > 0 for gradient in actual[1:])


def test_it_has_98_parameters_at_any_width():
    assert [tuple(p.shape) for p in SpatialAttention(128).parameters()] == [(1, 2, 7, 7)]
