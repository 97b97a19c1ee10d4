"""LFA against equations 1 and 2 of the paper."""

import pytest
import torch

from mmseg_attn.models.layers import LocalFeatureAggregation


def lfa_written_out(layer, skip, up, query_from, residual):
    """Equations 1 and 2, window by window, with the layer's weights as plain matrices."""
    w_q, w_k, w_v = (m.weight[:, :, 0, 0] for m in (layer.query, layer.key, layer.value))
    p_map, q_map = (skip, up) if query_from == 'encoder' else (up, skip)
    m = layer.window_size or max(skip.shape)
    out = torch.zeros_like(skip)
    for top in range(0, skip.shape[2], m):
        for left in range(0, skip.shape[3], m):
            window = (slice(None), slice(None), slice(top, top + m), slice(left, left + m))
            p = torch.einsum('oc,nchw->nohw', w_q, p_map[window]).flatten(2)
            k = torch.einsum('oc,nchw->nohw', w_k, q_map[window]).flatten(2)
            v = torch.einsum('oc,nchw->nohw', w_v, q_map[window]).flatten(2)
            e = torch.exp(torch.einsum('ncp,ncq->npq', p, k))
            y = torch.einsum('npq,ncq->ncp', e / e.sum(dim=2, keepdim=True), v)
            out[window] = y.reshape(p_map[window].shape)
    return out + {'encoder': skip, 'decoder': up, 'none': 0}[residual]


@pytest.mark.parametrize('window_size', [3, 7, 20, None])
@pytest.mark.parametrize('residual', ['encoder', 'decoder', 'none'])
@pytest.mark.parametrize('query_from', ['encoder', 'decoder'])
def test_equations_and_gradients(query_from, residual, window_size):
    layer = LocalFeatureAggregation(
        4, window_size=window_size, residual=residual, query_from=query_from
    ).double()
    inputs = [torch.randn(2, 4, 8, 10, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    actual = layer(*inputs)
    expected = lfa_written_out(layer, *inputs, query_from, residual)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    leaves = [*inputs, *layer.parameters()]
    upstream = torch.randn_like(expected)
    for x, y in zip(
        torch.autograd.grad(actual, leaves, upstream),
        torch.autograd.grad(expected, leaves, upstream),
        strict=True,
    ):
        assert y.abs().max() > 0
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


def test_the_default_is_the_paper():
    layer = LocalFeatureAggregation(8)
    assert (layer.window_size, layer.residual, layer.query_from) == (7, 'encoder', 'encoder')
    assert sum(p.numel() for p in layer.parameters()) == 3 * 8 * 8
    assert layer.out_channels == 8


@pytest.mark.parametrize('argument', ['residual', 'query_from'])
def test_unknown_choices_are_refused(argument):
    with pytest.raises(ValueError, match=f"{argument} must be 'encoder'.*got 'both'"):
        LocalFeatureAggregation(8, **{argument: 'both'})


def test_the_maps_start_by_keeping_the_variance():
    layer, x = LocalFeatureAggregation(128), torch.randn(1, 128, 32, 32)
    for linear in (layer.query, layer.key, layer.value):
        assert 0.9 < linear(x).square().mean() < 1.1
