"""Both attentions against the formula in plain arithmetic, position by position."""

import pytest
import torch
from torch import Tensor

from mmseg_attn.ops import global_attention, window_attention
from tests.measures import LargestTensor

BACKENDS = ['reference', 'sdpa', 'auto']
# height, width, window: whole windows; borders on one and both sides; a window beyond the map
SIZES = [(6, 9, 3), (6, 8, 3), (7, 8, 3), (2, 3, 5), (1, 1, 7), (4, 4, 1)]


def maps(*sizes: tuple[int, int, int]) -> list[Tensor]:
    """Random float64 maps with gradients; each size is (channels, height, width)."""
    return [torch.randn(2, *size, dtype=torch.float64, requires_grad=True) for size in sizes]


def attend_written_out(
    query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
) -> Tensor:
    """For each pixel p: exponentials of its inner products, normalised, times the values."""
    rows = []
    for i in range(query.shape[2]):
        row = []
        for j in range(query.shape[3]):
            if window is None:
                k, v = key, value
            else:
                top, left = i // window * window, j // window * window
                k = key[:, :, top : top + window, left : left + window]
                v = value[:, :, top : top + window, left : left + window]
            p = query[:, :, i, j, None, None]
            e = torch.exp(scale * (p * k).sum(dim=1, keepdim=True))
            row.append((e * v).sum(dim=(2, 3)) / e.sum(dim=(2, 3)))
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)


def assert_same(actual: Tensor, expected: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    upstream = torch.randn_like(expected)
    for x, y in zip(
        torch.autograd.grad(actual, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(('height', 'width', 'window'), SIZES)
def test_window_attention_is_the_formula(height, width, window, backend):
    inputs = maps((3, height, width), (3, height, width), (5, height, width))
    actual = window_attention(*inputs, window, 0.7, backend=backend)
    assert_same(actual, attend_written_out(*inputs, 0.7, window), inputs)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('channels', [(3, 5), (5, 3), (4, 4)])
def test_global_attention_is_the_formula(channels, backend):
    inputs = maps((channels[0], 3, 4), (channels[0], 2, 5), (channels[1], 2, 5))
    actual = global_attention(*inputs, 0.7, backend=backend)
    assert_same(actual, attend_written_out(*inputs, 0.7, None), inputs)


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_window_sees_nothing_outside(backend):
    query, key, value = (x.detach() for x in maps((3, 8, 8), (3, 8, 8), (3, 8, 8)))
    before = window_attention(query, key, value, 3, backend=backend)
    for x in (query, key, value):
        x[:, :, 4, 4] += 10  # in the window of rows and columns 3 to 5
    changed = (window_attention(query, key, value, 3, backend=backend) != before).any(dim=1)
    assert changed[:, 3:6, 3:6].all()
    changed[:, 3:6, 3:6] = False
    assert not changed.any()


@pytest.mark.parametrize('backend', BACKENDS)
def test_the_border_receives_no_weight_from_outside(backend):
    ones = torch.ones(1, 2, 5, 5)
    torch.testing.assert_close(window_attention(ones, ones, ones, 3, backend=backend), ones)


@pytest.mark.parametrize('window', [None, 7])
def test_backends_agree_in_float32_and_channels_last(window):
    inputs = [torch.randn(1, 16, 20, 23).to(memory_format=torch.channels_last) for _ in range(3)]
    run = global_attention if window is None else window_attention
    arguments = [*inputs] if window is None else [*inputs, window]
    torch.testing.assert_close(
        run(*arguments, backend='sdpa'),
        run(*arguments, backend='reference'),
        rtol=1e-4,
        atol=1e-5,
    )


def test_global_attention_never_builds_the_map():
    """Of N positions, nothing of N * N elements exists, forward or backward."""
    positions = 24 * 24
    inputs = [torch.randn(1, 8, 24, 24, requires_grad=True) for _ in range(3)]
    with LargestTensor() as fused:
        global_attention(*inputs).sum().backward()
    assert fused.elements < positions * positions / 8
    with LargestTensor() as written_out:
        global_attention(*inputs, backend='reference')
    assert written_out.elements >= positions * positions  # the watch sees what it should


@pytest.mark.parametrize(
    ('shapes', 'window', 'backend', 'message'),
    [
        ([(1, 2, 4), (1, 2, 4), (1, 2, 4)], 2, 'auto', 'maps of shape'),
        ([(1, 2, 4, 4), (2, 2, 4, 4), (2, 2, 4, 4)], 2, 'auto', 'batch size'),
        ([(1, 2, 4, 4), (1, 3, 4, 4), (1, 3, 4, 4)], 2, 'auto', 'number of channels'),
        ([(1, 2, 4, 4), (1, 2, 4, 4), (1, 2, 4, 5)], 2, 'auto', 'height and width'),
        ([(1, 2, 4, 4), (1, 2, 5, 4), (1, 2, 5, 4)], 2, 'auto', 'height and width'),
        ([(1, 2, 4, 4)] * 3, 0, 'auto', 'at least 1'),
        ([(1, 2, 4, 4)] * 3, 2, 'fast', "unknown backend 'fast'"),
    ],
)
def test_wrong_input_is_named(shapes, window, backend, message):
    with pytest.raises(ValueError, match=message):
        window_attention(*(torch.zeros(s) for s in shapes), window, backend=backend)
