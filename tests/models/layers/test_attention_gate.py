"""Both attention gates against equation 1 of the paper."""

import pytest
import torch
from torch import Tensor

from mmseg_attn.models.layers import AttentionGate, GridAttentionGate
from tests.measures import value_and_gradients

BN = dict(type='BN')


def linear(layer, x: Tensor) -> Tensor:
    """A 1x1 convolution as a matrix, and batch normalization where the layer has it."""
    conv = getattr(layer, 'conv', layer)
    out = torch.einsum('oc,nchw->nohw', conv.weight[:, :, 0, 0], x)
    if conv.bias is not None:
        out = out + conv.bias[:, None, None]
    if getattr(layer, 'with_norm', False):
        centered = out - out.mean(dim=(0, 2, 3), keepdim=True)
        out = centered / (centered.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()
        out = out * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]
    return out


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def doubled(x: Tensor, dim: int) -> Tensor:
    """Twice as many samples along a dimension, 3/4 of the nearest plus 1/4 of the next nearest."""
    x = x.movedim(dim, -1)
    before = torch.cat([x[..., :1], x[..., :-1]], dim=-1)
    after = torch.cat([x[..., 1:], x[..., -1:]], dim=-1)
    pairs = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=-1)
    return pairs.flatten(-2).movedim(-1, dim)


def strided(weight: Tensor, x: Tensor) -> Tensor:
    """A 2x2 convolution with stride 2; what it misses at an odd side counts as zero."""
    n, _, height, width = x.shape
    out = x.new_zeros(n, len(weight), (height + 1) // 2, (width + 1) // 2)
    for i in range(2):
        for j in range(2):
            part = torch.einsum('oc,nchw->nohw', weight[:, :, i, j], x[:, :, i::2, j::2])
            missing = [0, out.shape[3] - part.shape[3], 0, out.shape[2] - part.shape[2]]
            out = out + torch.nn.functional.pad(part, missing)
    return out


def gated(skip: Tensor, up: Tensor, alpha: Tensor) -> Tensor:
    return torch.cat([torch.einsum('nchw,nhw->nchw', skip, alpha[:, 0]), up], dim=1)


def assert_same(actual: Tensor, expected: Tensor, leaves: list[Tensor]) -> None:
    actual = value_and_gradients(actual, leaves)
    expected = value_and_gradients(expected, leaves)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-11)
    assert all(gradient.abs().sum() > 0 for gradient in actual[1:])


def maps(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize(
    ('norm_cfg', 'bias'), [(BN, None), (BN, False), (None, None), (None, True)]
)
def test_equation(norm_cfg, bias):
    gate = AttentionGate(6, norm_cfg=norm_cfg, bias=bias).double()
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter)  # normalization starts as the identity
    skip, up = maps((2, 6, 5, 7), (2, 6, 5, 7))
    hidden = (linear(gate.w_g, up) + linear(gate.w_x, skip)).clamp(min=0)
    expected = gated(skip, up, sigmoid(linear(gate.psi, hidden)))
    assert_same(gate(skip, up), expected, [skip, up, *gate.parameters()])


@pytest.mark.parametrize('size', [(6, 8), (5, 8), (6, 7), (5, 7), (1, 1)])
def test_grid_equation(size):
    gate = GridAttentionGate(4, coarse_channels=6).double()
    half = [(side + 1) // 2 for side in size]
    skip, up, coarse = maps((2, 4, *size), (2, 4, *size), (2, 6, *half))
    hidden = (linear(gate.w_g, coarse) + strided(gate.w_x.weight, skip)).clamp(min=0)
    alpha = doubled(doubled(sigmoid(linear(gate.psi, hidden)), 2), 3)
    expected = gated(skip, up, alpha[:, :, : size[0], : size[1]])
    assert_same(gate(skip, up, coarse), expected, [skip, up, coarse, *gate.parameters()])


@pytest.mark.parametrize('grid', [False, True])
def test_one_weight_per_position_for_the_skip_and_none_for_the_decoder(grid):
    gate = GridAttentionGate(4, coarse_channels=8) if grid else AttentionGate(4, norm_cfg=BN)
    skip, up, coarse = torch.randn(1, 4, 6, 6), torch.randn(1, 4, 6, 6), torch.randn(1, 8, 3, 3)
    out = gate(skip, up, coarse) if grid else gate(skip, up)
    alpha = gate.spatial_weights(skip, up, *([coarse] if grid else []))
    assert alpha.shape == (1, 1, 6, 6)
    assert 0 < alpha.min() < alpha.max() < 1
    assert torch.equal(out, torch.cat([skip * alpha, up], dim=1))
    assert gate.out_channels == out.shape[1] == 8


@pytest.mark.parametrize('coarse_size', [(9, 7), (4, 3), (2, 2)])
def test_a_coarse_map_of_another_size_is_resized(coarse_size):
    """Behind backbones with dilation it is as large as the skip."""
    gate = GridAttentionGate(4, coarse_channels=8)
    skip, up, coarse = torch.randn(1, 4, 9, 7), torch.randn(1, 4, 9, 7), torch.ones(1, 8, 1, 1)
    expected = gate(skip, up, coarse.expand(1, 8, 5, 4))
    torch.testing.assert_close(gate(skip, up, coarse.expand(1, 8, *coarse_size)), expected)


def parameters(gate: torch.nn.Module) -> int:
    return sum(p.numel() for p in gate.parameters())


def test_the_gates_have_the_parameters_of_the_widely_used_version_but_its_lost_biases():
    """Its Attention U-Net has 34,878,573 parameters, its U-Net 34,527,041 (1 class)."""
    widths = (64, 128, 256, 512)
    biases = sum(c // 2 + c // 2 + 1 for c in widths)
    gates = sum(parameters(AttentionGate(c, norm_cfg=BN)) for c in widths)
    assert gates == 34_878_573 - 34_527_041 - biases == 350_568
    complete = sum(parameters(AttentionGate(c, norm_cfg=BN, bias=True)) for c in widths)
    assert complete == 34_878_573 - 34_527_041


def test_the_grid_gate_has_the_parameters_of_the_authors_version():
    theta, phi, psi = 2 * 2 * 128 * 128, 256 * 128 + 128, 128 + 1
    assert parameters(GridAttentionGate(128, coarse_channels=256)) == theta + phi + psi
