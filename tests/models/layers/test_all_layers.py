"""What every layer promises: half precision stays close, any size works, nothing is random."""

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mmseg_attn.models import layers
from tests.measures import autocasts, sums_in_float32
from tests.strategies import examples, seeds, sides

BN = dict(type='BN')
Maps = list[Tensor | list[Tensor]]


def block(name: str, **settings) -> Callable[..., nn.Module]:
    return lambda c, norm: getattr(layers, name)(c, c, norm_cfg=norm, **settings)


def attention(name: str, **settings) -> Callable[..., nn.Module]:
    return lambda c, norm: getattr(layers, name)(c, **settings)


def one(c: int, size: Sequence[int]) -> list[tuple[int, ...]]:
    return [(c, *size)]


def two(c: int, size: Sequence[int]) -> list[tuple[int, ...]]:
    return [(c, *size)] * 2


def three(c: int, size: Sequence[int]) -> list[tuple[int, ...]]:
    return [*two(c, size), (2 * c, *((side + 1) // 2 for side in size))]


def pyramid(c: int, size: Sequence[int]) -> list[list[tuple[int, ...]]]:
    return [[(c // 2**i, *(side * 2**i for side in size)) for i in (2, 1, 0)]]


# the layer with C channels, with and without normalization, and the shapes of its inputs
CASES = {
    'AttentionGate': (lambda c, norm: layers.AttentionGate(c, norm_cfg=norm), two),
    'BilinearUpsample': (lambda c, norm: layers.BilinearUpsample(c, c), one),
    'CSAM': (attention('CSAM'), one),
    'CSAM, parallel': (attention('CSAM', order='parallel'), one),
    'ChannelAttentionConcatenation': (attention('ChannelAttentionConcatenation'), two),
    'Concatenation': (attention('Concatenation'), two),
    'ConvBlock': (block('ConvBlock'), one),
    'ConvLayer': (block('ConvLayer', kernel_size=3, padding=1), one),
    'DABlock': (attention('DABlock'), one),
    'DABlock, no residual': (attention('DABlock', residual=False), one),
    'DABlock, channel': (attention('DABlock', dim='channel', residual=False), one),
    'DropBlock': (lambda c, norm: layers.DropBlock(0.2, block_size=3).eval(), one),
    'GridAttentionGate': (
        lambda c, norm: layers.GridAttentionGate(c, coarse_channels=2 * c),
        three,
    ),
    'HybridAttention': (attention('HybridAttention'), one),
    'LocalFeatureAggregation': (attention('LocalFeatureAggregation'), two),
    'LocalFeatureAggregation, no residual': (
        attention('LocalFeatureAggregation', residual='none'),
        two,
    ),
    'LocalFeatureAggregation, global': (
        attention('LocalFeatureAggregation', window_size=None),
        two,
    ),
    'MSAM': (lambda c, norm: layers.MSAM((c // 4, c // 2, c), norm_cfg=norm), pyramid),
    'NearestUpsample': (block('NearestUpsample'), one),
    'RecurrentResidualBlock': (block('RecurrentResidualBlock'), one),
    'ResidualBlock': (block('ResidualBlock'), one),
    'SpatialAttention': (attention('SpatialAttention'), one),
    'StructuredDropoutBlock': (block('StructuredDropoutBlock', drop_rate=0), one),
    'TransposedUpsample': (block('TransposedUpsample'), one),
}


def test_every_layer_is_here():
    names = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)}
    assert {case.partition(',')[0] for case in CASES} == names


def make(case: str, channels: int, norm: dict | None, batch: int, size: Sequence[int]):
    """The layer, its inputs as they come from normalization and ReLU, and all of them in a list."""
    build, shapes = CASES[case]
    layer, leaves = build(channels, norm), []

    def maps(shapes) -> Maps:
        return [maps(s) if isinstance(s, list) else leaf(s) for s in shapes]

    def leaf(shape: tuple[int, ...]) -> Tensor:
        leaves.append(torch.randn(batch, *shape).relu().requires_grad_())
        return leaves[-1]

    return layer, maps(shapes(channels, size)), leaves


def rms(x: Tensor) -> float:
    return x.double().square().mean().sqrt().item()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(('channels', 'side'), [(64, 32), (512, 8)])
@pytest.mark.parametrize('case', CASES)
def test_autocast_stays_close_to_float32(case, channels, side, dtype):
    """At the widths of the finest and the deepest skip."""
    if not autocasts('cpu', dtype):
        pytest.skip(f'needs autocast to {dtype} on the CPU, which this PyTorch has not')
    if not sums_in_float32(dtype):
        pytest.skip(f'needs convolutions that sum in float32: PyTorch sums in {dtype} on this CPU')
    layer, inputs, leaves = make(case, channels, BN, 2, (side, side))
    expected = layer(*inputs)
    upstream = torch.randn_like(expected)
    gradients = torch.autograd.grad(expected, leaves, upstream)
    with torch.autocast('cpu', dtype):
        out = layer(*inputs)
    eps = torch.finfo(dtype).eps
    assert rms(out - expected) < 2 * eps * rms(expected)
    assert (out - expected).abs().max() < 4 * eps * expected.abs().max()
    # where rounding takes a value across ReLU's zero, its whole gradient comes or goes
    for half, single in zip(
        torch.autograd.grad(out, leaves, upstream.to(out.dtype)), gradients, strict=True
    ):
        assert rms(half - single) < 0.2 * rms(single)


@pytest.mark.parametrize('case', CASES)
@examples(25)
@given(channels=st.sampled_from([4, 8, 12]), batch=st.integers(1, 2), h=sides, w=sides, seed=seeds)
def test_any_size(case, channels, batch, h, w, seed):
    torch.manual_seed(seed)
    layer, inputs, leaves = make(case, channels, None, batch, (h, w))
    out = layer(*inputs)
    factor = 2 if 'Upsample' in case else 1
    width = getattr(layer, 'out_channels', channels)
    assert out.shape == (batch, width, factor * h, factor * w)
    assert torch.isfinite(out).all()
    gradients = torch.autograd.grad(out.sum(), leaves)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize('case', CASES)
def test_the_same_twice(case):
    """Bit for bit, forward and backward, with as many threads as there are."""
    layer, inputs, leaves = make(case, 16, BN, 2, (33, 31))
    leaves += layer.parameters()
    first, second = (layer(*inputs) for _ in range(2))
    assert torch.equal(first, second)
    upstream = torch.randn_like(first)
    for a, b in zip(
        *(torch.autograd.grad(out, leaves, upstream) for out in (first, second)), strict=True
    ):
        assert torch.equal(a, b)
