"""What the layers tell of where they look, against their equations and their outputs."""

import math

import pytest
import torch

from mmseg_attn.models.layers import (
    CSAM,
    MSAM,
    AttentionGate,
    ChannelAttentionConcatenation,
    DABlock,
    GridAttentionGate,
    HybridAttention,
    LocalFeatureAggregation,
    SpatialAttention,
)

SIZE = (6, 8)
POINTS = [(0, 0), (2, 5), (5, 7)]


def maps(*channels):
    return [torch.randn(2, c, *SIZE, dtype=torch.float64) for c in channels]


def at(x, point):
    return x[:, :, point[0], point[1]]


def row(query, key, point, inside):
    """The softmax over the positions q for which inside(*q) holds"""
    scores = torch.einsum('nc,nchw->nhw', at(query, point), key).exp()
    mask = torch.tensor([[inside(i, j) for j in range(SIZE[1])] for i in range(SIZE[0])])
    scores = scores * mask
    return (scores / scores.sum(dim=(1, 2), keepdim=True)).unsqueeze(1)


def everywhere(i, j):
    return True


def check(found, expected, values, attention, point):
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close((found * values).sum(dim=(2, 3)), at(attention, point))


@pytest.mark.parametrize('point', POINTS)
@pytest.mark.parametrize('residual', [True, False])
def test_da_block(residual, point):
    layer, (x,) = DABlock(16, residual=residual).double(), maps(16)
    expected = row(layer.query(x) / math.sqrt(2), layer.key(x), point, everywhere)
    attention = layer(x) - x if residual else layer(x)
    check(layer.attention_map(x, point=point), expected, layer.value(x), attention, point)


@pytest.mark.parametrize('point', POINTS)
@pytest.mark.parametrize('window', [3, 5, None])
@pytest.mark.parametrize('query_from', ['encoder', 'decoder'])
def test_local_feature_aggregation(query_from, window, point):
    options = dict(window_size=window, query_from=query_from, residual='none')
    layer, (skip, up) = LocalFeatureAggregation(4, **options).double(), maps(4, 4)
    p_map, q_map = (skip, up) if query_from == 'encoder' else (up, skip)

    def inside(i, j):
        m = window or 100
        return (i // m, j // m) == (point[0] // m, point[1] // m)

    expected = row(layer.query(p_map), layer.key(q_map), point, inside)
    found = layer.attention_map(skip, up, point=point)
    check(found, expected, layer.value(q_map), layer(skip, up), point)


@pytest.mark.parametrize('point', POINTS)
def test_msam(point):
    layer = MSAM([4, 6, 8]).double()
    height, width = SIZE
    features = [
        torch.randn(2, c, s * height, s * width, dtype=torch.float64)
        for c, s in ((4, 4), (6, 2), (8, 1))
    ]
    x = torch.cat([level(f) for level, f in zip(layer.levels, features, strict=True)], dim=1)
    expected = row(layer.query(x), layer.key(x), point, everywhere)
    attention = layer(features) - layer.project(x)
    check(layer.attention_map(features, point=point), expected, layer.value(x), attention, point)


@pytest.mark.parametrize('order', ['sequential', 'parallel'])
def test_csam(order):
    layer, (x,) = CSAM(8, reduction=2, order=order).double(), maps(8)
    weighted = x * layer.channel_weights(x)
    torch.testing.assert_close(layer(x), weighted * layer.spatial_weights(x))
    pooled_from = weighted if order == 'sequential' else x
    torch.testing.assert_close(layer.spatial_weights(x), layer.spatial(pooled_from))


def test_hybrid_attention():
    layer, (x,) = HybridAttention(8, reduction=2).double(), maps(8)
    torch.testing.assert_close(layer(x), x * layer.channel_weights(x) * layer.spatial_weights(x))


def test_spatial_attention():
    layer, (x,) = SpatialAttention(8).double(), maps(8)
    torch.testing.assert_close(layer(x), x * layer.spatial_weights(x))


def test_channel_attention_concatenation():
    layer, (skip, up) = ChannelAttentionConcatenation(8, reduction=2).double(), maps(8, 8)
    weighted = up * layer.channel_weights(skip, up)
    torch.testing.assert_close(layer(skip, up), torch.cat([skip, weighted], dim=1))


GATES = {  # options, and channels of the inputs
    CSAM: (dict(reduction=1), [8]),
    HybridAttention: (dict(reduction=1), [8]),
    SpatialAttention: (dict(), [8]),
    AttentionGate: (dict(), [8, 8]),
    GridAttentionGate: (dict(coarse_channels=12), [8, 8, 12]),
    ChannelAttentionConcatenation: (dict(reduction=1), [8, 8]),
}


@pytest.mark.parametrize('kind', GATES, ids=lambda kind: kind.__name__)
def test_shapes_and_range_of_the_weights(kind):
    options, channels = GATES[kind]
    layer, inputs = kind(8, **options).double(), maps(*channels)
    found = {
        name: getattr(layer, name)(*inputs)
        for name in ('spatial_weights', 'channel_weights')
        if hasattr(layer, name)
    }
    shapes = dict(spatial_weights=(2, 1, *SIZE), channel_weights=(2, 8, 1, 1))
    assert found
    for name, weights in found.items():
        assert weights.shape == shapes[name]
        assert 0 < weights.min() < weights.max() < 1


def test_layers_without_a_map_say_why():
    with pytest.raises(ValueError, match="dim='channel' attends over channels"):
        DABlock(8, dim='channel').attention_map(torch.randn(1, 8, 4, 4), point=(0, 0))
    features = [torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)]
    with pytest.raises(ValueError, match='attention=False uses only the projection'):
        MSAM([4, 8], attention=False).attention_map(features, point=(0, 0))
