import torch

from mmseg_attn.models.layers import ChannelAttentionConcatenation
from tests.measures import value_and_gradients


def test_the_channels_of_the_decoder_feature_are_weighed_and_the_skip_is_left_alone():
    fusion = ChannelAttentionConcatenation(8, reduction=2).double()
    first, second = fusion.parameters()
    skip, up = (torch.randn(2, 8, 5, 6, dtype=torch.double, requires_grad=True) for _ in range(2))
    positions = up.flatten(2)
    pooled = positions.sum(dim=2) / 30, positions.sort(dim=2).values[..., -1]
    logits = sum((p @ first.T).clamp(min=0) @ second.T for p in pooled)
    weights = 1 / (1 + torch.exp(-logits))
    expected = torch.cat([skip, torch.einsum('nchw,nc->nchw', up, weights)], dim=1)
    leaves = [skip, up, first, second]
    actual = value_and_gradients(fusion(skip, up), leaves)
    torch.testing.assert_close(actual, value_and_gradients(expected, leaves), rtol=1e-9, atol=1e-12)
    assert all(gradient.abs().sum() > 0 for gradient in actual[1:])


def test_defaults():
    fusion = ChannelAttentionConcatenation(64)
    assert fusion.out_channels == 128
    assert [tuple(p.shape) for p in fusion.parameters()] == [(4, 64), (64, 4)]
