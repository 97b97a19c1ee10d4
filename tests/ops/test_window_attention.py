"""How windows come out of a map and back: launches, copies, and the order in memory."""

import pytest
import torch

from mmseg_attn.models.layers import LocalFeatureAggregation
from mmseg_attn.ops import backends, window_attention
from tests.measures import Operators, value_and_gradients

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture
def launches(monkeypatch) -> list[int]:
    """How many windows go into each launch."""
    counts, attend = [], backends.attend
    monkeypatch.setattr(
        backends, 'attend', lambda *tokens: counts.append(len(tokens[0])) or attend(*tokens)
    )
    return counts


@pytest.mark.parametrize('shared', [True, False])
@pytest.mark.parametrize('limit', [1, 5, 12, 13])
def test_windows_in_chunks_are_the_formula(limit, shared, launches, monkeypatch):
    monkeypatch.setattr(backends, 'LAUNCHES', limit)
    maps = [torch.randn(2, 3, 10, 8, dtype=torch.float64) for _ in range(3 - shared)]
    inputs = [x.requires_grad_() for x in maps]
    query, key, value = (*inputs, inputs[-1])[:3]
    actual = window_attention(query, key, value, 3, 0.7, backend='sdpa')
    expected = window_attention(query, key, value, 3, 0.7, backend='reference')
    torch.testing.assert_close(
        value_and_gradients(actual, inputs),
        value_and_gradients(expected, inputs),
        rtol=1e-10,
        atol=1e-10,
    )
    assert max(launches) <= limit
    assert sum(launches) == 2 * 4 * 3  # rows of 3, 3, 3, 1 pixels and columns of 3, 3, 2
    assert len(launches) == sum(-(-count // limit) for count in (12, 6, 4, 2))


@pytest.mark.parametrize('size', [(1, 512, 512, 2), (2, 1792, 1792, 7), (3, 768, 768, 3)])
def test_no_launch_has_more_windows_than_cuda_takes(size, launches):
    """Of all images together: some kernels multiply samples and heads."""
    samples, height, width, window = size
    x = torch.empty(samples, 2, height, width, device='meta', requires_grad=True)
    out = window_attention(x, x, x, window, backend='sdpa')
    assert out.shape == x.shape
    out.sum().backward()
    assert sum(launches) == samples * -(-height // window) * -(-width // window) > 65535
    assert max(launches) == 65535


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_gradient_of_a_map_is_written_once(layout):
    """And not once for every part of it: only the two uses of key and value are added up."""
    layer = LocalFeatureAggregation(8, backend='sdpa')
    skip, up = (torch.randn(1, 8, 32, 39).to(memory_format=layout) for _ in range(2))
    skip, up = skip.requires_grad_(), up.requires_grad_()
    with Operators() as forward:
        out = layer(skip, up)
    with Operators() as backward:
        out.backward(torch.ones_like(out))
    size = skip.numel()
    assert forward.made['clone'] <= 3 * size  # query, key that is the value, result
    assert not {'slice_backward', 'new_zeros', 'zeros', 'slice_scatter'} & set(backward.calls)
    assert backward.calls['add'] == 4 + 1  # an area's key and value; the residual
    assert backward.made['add'] == 2 * size
    assert backward.calls['cat'] == 2 * (2 + 1)  # two maps: the parts of two rows, the rows
    assert backward.made['cat'] == 2 * 2 * size


def test_whole_windows_are_not_joined():
    layer = LocalFeatureAggregation(8, backend='sdpa')
    skip, up = torch.randn(2, 1, 8, 28, 35, requires_grad=True).unbind()
    with Operators() as seen:
        layer(skip, up).sum().backward()
    assert 'cat' not in seen.calls


@pytest.mark.parametrize('size', [(28, 35), (29, 36), (30, 30), (5, 6), (7, 1), (8, 1)])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_result_and_gradients_lie_in_memory_as_the_value_does(layout, size):
    maps = [
        torch.randn(2, 4, *size, dtype=torch.float64).to(memory_format=layout) for _ in range(3)
    ]
    maps = [x.requires_grad_() for x in maps]
    out = window_attention(*maps, 7, backend='sdpa')
    gradients = torch.autograd.grad(out, maps, torch.ones_like(out))
    watched = (out, *gradients) if min(size) > 7 else [out]
    assert all(x.is_contiguous(memory_format=layout) for x in watched)
    expected = window_attention(*maps, 7, backend='reference')
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('size', [(28, 35), (5, 6), (20, 7), (7, 20)])
def test_tokens_have_their_channels_side_by_side(size, layout, monkeypatch):
    """Without that no kernel in linear memory takes them, not even for a single window."""
    strides = []
    attend = backends.attend
    monkeypatch.setattr(
        backends, 'attend', lambda *x: strides.extend(t.stride(2) for t in x[:3]) or attend(*x)
    )
    x = torch.randn(1, 4, *size).to(memory_format=layout)
    window_attention(x, x.clone(), x, 7, backend='sdpa')
    assert set(strides) == {1}
