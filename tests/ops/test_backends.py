"""How tokens come to PyTorch's kernels; none of CUDA's runs here, so its conditions are read."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_attn.models.layers import DABlock
from mmseg_attn.ops import backends, global_attention, window_attention
from tests.measures import value_and_gradients

HALVES = (torch.float16, torch.bfloat16)
# channels of query and key, and of the value: LFA, MSAM, DA-UNet at base 16 and 64, odd numbers
CHANNELS = [(64, 64), (256, 256), (512, 512), (32, 256), (128, 1024), (1, 4), (9, 20), (2, 2)]


def flash_takes(dtype: torch.dtype, query: int, key: int, value: int, most: int) -> bool:
    """sdp_utils: ``check_head_dim_size``, up to 128 in PyTorch 2.0 and 2.1 and to 256 after."""
    return dtype in HALVES and query == key == value <= most and value % 8 == 0


def efficient_takes(dtype: torch.dtype, query: int, key: int, value: int) -> bool:
    """sdp_utils: ``check_head_dim_size_mem_efficient``, alignment on Ampere and newer."""
    step = 8 if dtype in HALVES else 4
    known = dtype in (*HALVES, torch.float32)
    return known and query == key and query % step == 0 and value % step == 0


@pytest.mark.parametrize('dtype', [torch.float32, *HALVES])
@pytest.mark.parametrize(('key', 'value'), CHANNELS)
@pytest.mark.parametrize('most', [128, 256])
def test_a_kernel_in_linear_memory_runs_and_nothing_is_filled_up_for_none(
    most, key, value, dtype, monkeypatch
):
    monkeypatch.setattr(backends, 'FLASH_CHANNELS', most)
    filled_key, filled_value = backends.kernel_channels('cuda', dtype, key, value)
    assert efficient_takes(dtype, filled_key, filled_key, filled_value)
    if dtype in HALVES and max(key, value) <= most:
        assert flash_takes(dtype, filled_key, filled_key, filled_value, most)
        assert filled_value - max(key, value) < 8
    else:
        assert 0 <= filled_key - key < 8
        assert 0 <= filled_value - value < 8


@pytest.mark.parametrize(('key', 'value'), CHANNELS)
def test_nothing_is_filled_up_where_there_is_no_kernel(key, value):
    assert backends.kernel_channels('cuda', torch.float64, key, value) == (key, value)
    assert backends.kernel_channels('meta', torch.float32, key, value) == (key, value)


@pytest.fixture
def calls(monkeypatch) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What PyTorch's attention is called with."""
    calls, function = [], F.scaled_dot_product_attention

    def spy(*tokens: Tensor, **options) -> Tensor:
        calls.append(tokens)
        return function(*tokens, **options)

    monkeypatch.setattr(F, 'scaled_dot_product_attention', spy)
    return calls


def as_on(device: str, dtype: torch.dtype, monkeypatch) -> None:
    """Fill up channels as for tokens of a type on a device."""
    rule: Callable = backends.kernel_channels
    monkeypatch.setattr(backends, 'kernel_channels', lambda _, __, *x: rule(device, dtype, *x))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(('key', 'value'), [(3, 5), (9, 20), (5, 3), (4, 300)])
@pytest.mark.parametrize('window', [None, 3])
def test_filled_up_channels_change_nothing(window, key, value, dtype, monkeypatch):
    as_on('cuda', dtype, monkeypatch)
    maps = [torch.randn(2, c, 7, 5, dtype=torch.float64) for c in (key, key, value)]
    maps = [x.requires_grad_() for x in maps]
    arguments = [0.7] if window is None else [window, 0.7]
    run = global_attention if window is None else window_attention
    torch.testing.assert_close(
        value_and_gradients(run(*maps, *arguments, backend='sdpa'), maps),
        value_and_gradients(run(*maps, *arguments, backend='reference'), maps),
        rtol=1e-9,
        atol=1e-9,
    )


def test_da_unets_arithmetic_is_that_of_its_channels(calls, monkeypatch):
    """4 L^2 C floating-point operations for equal C; 128 and 1024 take 2 L^2 (128 + 1024)."""
    as_on('cuda', torch.bfloat16, monkeypatch)
    block, x = DABlock(1024), torch.randn(1, 1024, 8, 8)
    monkeypatch.setattr(backends, 'select', lambda table, name, x: table['sdpa'])
    block(x)
    ((query, key, value),) = calls
    assert [t.shape[-1] for t in (query, key, value)] == [128, 128, 1024]
    length = 8 * 8
    flops = 2 * length**2 * (query.shape[-1] + value.shape[-1])
    assert flops / (2 * length**2 * 2 * 1024) == pytest.approx(0.5625)
    assert query.numel() + key.numel() == 2 * length * 128  # an eighth of what was read


@pytest.mark.parametrize('scale', [1.0, 0.3, -2.0, 0.0])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_pytorch_without_a_scale_takes_scaled_queries(scale, dtype, calls, monkeypatch):
    """As 2.0 is: its kernels divide by the root of the channels, filled up ones included."""
    tokens = [torch.randn(3, 6, c, dtype=dtype, requires_grad=True) for c in (5, 5, 7)]
    monkeypatch.setattr(backends, 'HAS_SCALE', False)
    as_on('cuda', torch.float32, monkeypatch)
    actual = value_and_gradients(backends.attend(*tokens, scale), tokens)
    q, k, v = tokens
    expected = (scale * q @ k.mT).softmax(dim=-1) @ v
    torch.testing.assert_close(actual, value_and_gradients(expected, tokens), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(calls[0][0][0, 0, :, :5], scale * math.sqrt(8) * q[0])


def test_a_key_that_is_the_value_stays_one(calls, monkeypatch):
    as_on('cuda', torch.float32, monkeypatch)
    query, shared = torch.randn(2, 1, 6, 8, 8).unbind()
    global_attention(query, shared, shared, backend='sdpa')
    window_attention(query, shared, shared, 3, backend='sdpa')
    assert len(calls) == 1 + 4
    assert all(key is value for _, key, value in calls)
    assert calls[0][1].shape[-1] == 8


@pytest.mark.parametrize('dtype', HALVES)
@pytest.mark.parametrize('enabled', [False, True])
def test_the_cpu_attends_in_32_bits(enabled, dtype, calls):
    """Whatever its kernels of the installed version know of 16 bits, under autocast too."""
    tokens = [torch.randn(2, 6, 4).to(dtype) for _ in range(3)]
    with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
        assert backends.attend(*tokens, 1.0).dtype == dtype
    assert {x.dtype for x in calls[0]} == {torch.float32}


@pytest.mark.parametrize('window', [None, 3])
@pytest.mark.parametrize('types', [(torch.bfloat16, torch.float32), (torch.float32, torch.float64)])
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_a_value_of_another_type_gives_the_result_its_type(device, types, window, monkeypatch):
    """Under autocast, group normalization gives float32 and a convolution 16 bits."""
    if device != 'cpu':  # where nothing is converted but what differs
        monkeypatch.setattr(backends, 'written_out', lambda formula: formula)
    query, value = (torch.randn(1, 4, 5, 6).to(dtype) for dtype in types)
    run, arguments = (global_attention, []) if window is None else (window_attention, [window])
    expected = run(query, value, value, *arguments, backend='reference')
    actual = run(query, value, value, *arguments, backend='sdpa')
    assert actual.dtype == types[1]
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
