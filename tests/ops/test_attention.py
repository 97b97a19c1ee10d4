"""Both attentions against the formula in plain arithmetic, position by position."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmseg_attn.ops import global_attention, global_chunks, window_attention, window_strips
from tests.measures import LargestTensor, autocasts
from tests.strategies import examples, generator, seeds, sides

WINDOW_BACKENDS = ['reference', 'sdpa', 'strips', 'auto']
GLOBAL_BACKENDS = ['reference', 'sdpa', 'chunks', 'auto']
# height, width, window: whole windows; borders on one and both sides; a window beyond the map
SIZES = [(6, 9, 3), (6, 8, 3), (7, 8, 3), (2, 3, 5), (1, 1, 7), (4, 4, 1)]


def maps(*sizes: tuple[int, int, int]) -> list[Tensor]:
    """Random float64 maps with gradients; each size is (channels, height, width)."""
    return [torch.randn(2, *size, dtype=torch.float64, requires_grad=True) for size in sizes]


def attend_written_out(
    query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
) -> Tensor:
    """For each pixel p: exponentials of its inner products, normalized, times the values."""
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


@pytest.mark.parametrize('backend', WINDOW_BACKENDS)
@pytest.mark.parametrize(('height', 'width', 'window'), SIZES)
def test_window_attention_is_the_formula(height, width, window, backend):
    inputs = maps((3, height, width), (3, height, width), (5, height, width))
    actual = window_attention(*inputs, window, 0.7, backend=backend)
    assert_same(actual, attend_written_out(*inputs, 0.7, window), inputs)


@pytest.mark.parametrize('backend', GLOBAL_BACKENDS)
@pytest.mark.parametrize('channels', [(3, 5), (5, 3), (4, 4)])
def test_global_attention_is_the_formula(channels, backend):
    inputs = maps((channels[0], 3, 4), (channels[0], 2, 5), (channels[1], 2, 5))
    actual = global_attention(*inputs, 0.7, backend=backend)
    assert_same(actual, attend_written_out(*inputs, 0.7, None), inputs)


@pytest.mark.parametrize('backend', WINDOW_BACKENDS)
def test_a_window_sees_nothing_outside(backend):
    query, key, value = (x.detach() for x in maps((3, 8, 8), (3, 8, 8), (3, 8, 8)))
    before = window_attention(query, key, value, 3, backend=backend)
    for x in (query, key, value):
        x[:, :, 4, 4] += 10  # in the window of rows and columns 3 to 5
    changed = (window_attention(query, key, value, 3, backend=backend) != before).any(dim=1)
    assert changed[:, 3:6, 3:6].all()
    changed[:, 3:6, 3:6] = False
    assert not changed.any()


@pytest.mark.parametrize('backend', WINDOW_BACKENDS)
def test_the_border_receives_no_weight_from_outside(backend):
    ones = torch.ones(1, 2, 5, 5)
    torch.testing.assert_close(window_attention(ones, ones, ones, 3, backend=backend), ones)


@st.composite
def tasks(draw) -> tuple[Callable[..., Tensor], list[Tensor], list]:
    """An attention, its maps in float64 and its other arguments."""
    n, height, width = draw(st.integers(1, 2)), draw(sides), draw(sides)
    key_channels, value_channels = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    window = draw(st.one_of(st.none(), st.integers(1, 9)))
    size = (height, width) if window else (draw(sides), draw(sides))
    shapes = (key_channels, *size), (key_channels, height, width), (value_channels, height, width)
    random = generator(draw(seeds))
    maps = [torch.randn(n, *shape, generator=random, dtype=torch.float64) for shape in shapes]
    scale = draw(st.sampled_from([1.0, 0.3, -2.0, 0.0]))
    if window is None:
        return global_attention, maps, [scale]
    return window_attention, maps, [window, scale]


@pytest.mark.parametrize('backend', ['sdpa', 'auto'])
@examples(100)
@given(task=tasks())
def test_backends_agree_on_any_size(backend, task):
    run, inputs, arguments = task
    inputs = [x.requires_grad_() for x in inputs]
    expected = run(*inputs, *arguments, backend='reference')
    assert_same(run(*inputs, *arguments, backend=backend), expected, inputs)


@pytest.mark.parametrize('backend', ['reference', 'sdpa', 'auto'])
@examples(100)
@given(
    task=tasks(),
    magnitude=st.sampled_from([1, 100, 1e4]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
)
def test_a_mean_of_the_values_however_large_the_scores_are(backend, task, magnitude, dtype):
    """Scores of 1e8 leave one position; nothing overflows, and no result leaves the values."""
    run, inputs, arguments = task
    inputs = [(magnitude * x.clamp(-1, 1)).to(dtype).requires_grad_() for x in inputs]
    out = run(*inputs, *arguments, backend=backend)
    *_, value = inputs
    low, high = value.amin(dim=(2, 3), keepdim=True), value.amax(dim=(2, 3), keepdim=True)
    slack = 2 * torch.finfo(dtype).eps * magnitude
    assert (low - slack <= out).all()
    assert (out <= high + slack).all()
    if dtype != torch.float16:  # whose range gradients of 1e8 leave; loss scaling skips the step
        gradients = torch.autograd.grad(out.float().mean(), inputs)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.fixture
def small_parts(monkeypatch):
    """The CPU's backends take maps apart as they do with large ones."""
    monkeypatch.setattr(window_strips, 'CHUNK_BYTES', 4096)
    monkeypatch.setattr(global_chunks, 'CHUNK', 1024)
    monkeypatch.setattr(global_chunks, 'TILE', 40)


@pytest.mark.parametrize(('height', 'width', 'window'), [(20, 23, 7), (9, 30, 4), (5, 3, 7)])
def test_many_strips_are_the_formula(height, width, window, small_parts):
    inputs = maps((6, height, width), (6, height, width), (8, height, width))
    actual = window_attention(*inputs, window, 0.7, backend='strips')
    assert_same(actual, window_attention(*inputs, window, 0.7, backend='reference'), inputs)


def test_many_chunks_are_the_formula(small_parts):
    inputs = maps((6, 9, 13), (6, 11, 12), (8, 11, 12))  # 117 queries, 132 keys
    actual = global_attention(*inputs, 0.7, backend='chunks')
    assert_same(actual, global_attention(*inputs, 0.7, backend='reference'), inputs)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('fast', ['sdpa', 'auto'])
@pytest.mark.parametrize('window', [None, 7])
def test_backends_agree_in_float32(window, fast, layout):
    inputs = [torch.randn(2, 16, 20, 23).to(memory_format=layout) for _ in range(3)]
    run = global_attention if window is None else window_attention
    arguments = [*inputs] if window is None else [*inputs, window]
    torch.testing.assert_close(
        run(*arguments, backend=fast),
        run(*arguments, backend='reference'),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('backend', ['reference', 'sdpa', 'auto'])
@pytest.mark.parametrize('window', [None, 7])
def test_16_bits_are_attended_in_32(window, backend, dtype, device):
    """Only input and output are rounded, with and without autocast, forward and backward.

    Scores reach 60, where bfloat16's are a quarter apart: in half precision the softmax is noise.
    """
    inputs = [(2 * torch.randn(1, 64, 14, 15)).to(device, dtype) for _ in range(3)]
    inputs = [x.requires_grad_() for x in inputs]
    run = global_attention if window is None else window_attention
    arguments = [0.3] if window is None else [window, 0.3]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    expected = run(*exact, *arguments, backend='reference')
    upstream = torch.randn_like(expected).to(dtype)
    gradients = torch.autograd.grad(expected, exact, upstream.double())
    for enabled in (False, True):
        if enabled and not autocasts(device, dtype):
            continue
        with torch.autocast(device, dtype=dtype) if enabled else nullcontext():
            actual = run(*inputs, *arguments, backend=backend)
        assert actual.dtype == dtype
        for x, y in zip(
            [actual, *torch.autograd.grad(actual, inputs, upstream)],
            [expected, *gradients],
            strict=True,
        ):
            torch.testing.assert_close(x.double(), y, rtol=2**-7, atol=2**-7 * y.abs().max().item())


def test_global_attention_never_builds_the_map(small_parts):
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


def test_a_backend_of_the_cpu_is_refused_elsewhere():
    maps = [torch.zeros(1, 2, 4, 4, device='meta')] * 3
    with pytest.raises(ValueError, match="'strips' runs on the CPU, not on meta: use 'auto'"):
        window_attention(*maps, 2, backend='strips')
