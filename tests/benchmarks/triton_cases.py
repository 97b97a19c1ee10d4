"""What window attention in Triton has to do, on a GPU or, with TRITON_INTERPRET=1, on the CPU.

Triton decides at its import whether it compiles or interprets, so that ``test_window_triton.py``
runs this file in processes of its own. The interpreter is slow: the maps are small, except on GPUs.
"""

import os

import pytest
import torch
from torch import Tensor

from benchmarks import window_triton
from mmseg_attn.ops import window_attention
from tests.ops.test_attention import attend_written_out

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'
# Of the largest value: the maps and the weights are rounded. The interpreter cuts bfloat16 off.
TOLERANCE = {torch.float16: 2**-9, torch.bfloat16: 2**-6 if INTERPRETED else 2**-7}


def maps(channels: tuple[int, int], height: int, width: int, batch: int = 2) -> list[Tensor]:
    """Query, key and value with gradients."""
    key_channels, value_channels = channels
    shapes = [(batch, c, height, width) for c in (key_channels, key_channels, value_channels)]
    return [torch.randn(shape, device=DEVICE, requires_grad=True) for shape in shapes]


def with_gradients(out: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    upstream = torch.arange(out.numel(), device=DEVICE).cos().view(out.shape).to(out.dtype)
    return [out, *torch.autograd.grad(out, inputs, upstream)]


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Compare up to a part of the largest value."""
    for x, y in zip(actual, expected, strict=True):
        limit = tolerance * max(y.abs().max().item(), 1)
        torch.testing.assert_close(x.double(), y.double(), rtol=0, atol=limit)


def check(inputs: list[Tensor], window: int, tolerance: float) -> list[Tensor]:
    """Compare with the formula in float64; return what was computed."""
    actual = with_gradients(window_triton.attend(*inputs, window, 0.3), inputs)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    expected = window_attention(*exact, window, 0.3, backend='reference')
    assert_close(actual, with_gradients(expected, exact), tolerance)
    return actual


@pytest.mark.parametrize(
    ('channels', 'height', 'width', 'window'),
    [
        ((1, 3), 2, 3, 1),
        ((3, 1), 7, 8, 3),
        ((48, 130), 8, 9, 7),
        ((130, 3), 5, 3, 7),  # a window beyond the map
        ((3, 5), 13, 3, 11),  # several blocks of queries in a window
        ((5, 3), 16, 3, 16),
    ],
)
def test_formula_and_reference(channels, height, width, window):
    inputs = maps(channels, height, width, batch=2 if window == 3 else 1)
    actual = window_triton.attend(*inputs, window, 0.7)
    assert actual.dtype == torch.float32
    exact = [x.detach().double().requires_grad_() for x in inputs]
    expected = attend_written_out(*exact, 0.7, window)
    reference = window_attention(*inputs, window, 0.7, backend='reference')
    actual = with_gradients(actual, inputs)
    assert_close(actual, with_gradients(expected, exact), 1e-5)
    assert_close(actual, with_gradients(reference, inputs), 1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(('window', 'height', 'width'), [(7, 8, 5), (16, 2, 16)])
def test_16_bits_are_attended_in_32(window, height, width, dtype):
    """Scores reach 40, where bfloat16's are a quarter apart."""
    inputs = [(2 * x).detach().to(dtype) for x in maps((40, 24), height, width, 1)]
    inputs = [x.requires_grad_() for x in inputs]
    for x in check(inputs, window, TOLERANCE[dtype]):
        assert x.dtype == dtype


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_autocast_changes_nothing(dtype):
    inputs = [x.detach().to(dtype) for x in maps((3, 5), 4, 4, 1)]
    expected = window_triton.attend(*inputs, 3, 1.0)
    with torch.autocast(DEVICE, torch.bfloat16):
        actual = window_triton.attend(*inputs, 3, 1.0)
    assert actual.dtype == dtype
    assert torch.equal(actual, expected)


def _every_second(x: Tensor) -> Tensor:
    wide = x.new_full((len(x), 2 * x.shape[1], x.shape[2] + 3, 2 * x.shape[3]), torch.nan)
    wide[:, ::2, 1:-2, 1::2] = x
    return wide[:, ::2, 1:-2, 1::2]


@pytest.mark.parametrize(
    'layout',
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
        _every_second,
        lambda x: x[:1, :1].expand_as(x),
    ],
    ids=['channels last', 'reversed', 'every second', 'expanded'],
)
def test_any_strides(layout):
    inputs = [layout(x.detach()).requires_grad_() for x in maps((3, 5), 3, 4)]
    out, *_ = check(inputs, 3, 1e-5)
    assert out.stride() == torch.empty_like(inputs[2]).stride()  # a dense layout is kept


def test_an_upstream_gradient_without_strides():
    inputs = maps((3, 5), 3, 4)
    actual, expected = (
        torch.autograd.grad(attend(*inputs, 3, 1.0).sum(), inputs)
        for attend in (window_triton.attend, window_attention)
    )
    assert_close(actual, expected, 1e-5)


@pytest.mark.parametrize('moved', [10.0, torch.nan])
def test_a_window_sees_nothing_outside(moved):
    inputs = [x.detach() for x in maps((3, 3), 7, 7, 1)]
    before = window_triton.attend(*inputs, 3, 1.0)
    for x in inputs:
        x[:, :, 4, 4] += moved  # in the window of rows and columns 3 to 5
    changed = (window_triton.attend(*inputs, 3, 1.0) != before).any(dim=1)
    assert changed[:, 3:6, 3:6].all()
    changed[:, 3:6, 3:6] = False
    assert not changed.any()


def test_the_border_receives_no_weight_from_outside():
    ones = torch.ones(1, 2, 5, 5, device=DEVICE)
    torch.testing.assert_close(window_triton.attend(ones, ones, ones, 3, 1.0), ones)


@pytest.mark.parametrize('window', [3, 11])
def test_a_mean_of_the_values_however_large_the_scores_are(window):
    inputs = [(1e4 * x.detach()).requires_grad_() for x in maps((3, 3), 4, 11, 1)]
    out = window_triton.attend(*inputs, window, 1.0)
    low, high = inputs[2].amin(dim=(2, 3), keepdim=True), inputs[2].amax(dim=(2, 3), keepdim=True)
    assert (low * (1 + 1e-6) <= out).all()
    assert (out <= high * (1 + 1e-6)).all()
    assert all(x.isfinite().all() for x in torch.autograd.grad(out.mean(), inputs))


def test_compiled_without_a_break_in_the_graph():
    inputs = maps((3, 3), 4, 4, 1)
    expected = with_gradients(window_triton.attend(*inputs, 3, 0.3), inputs)
    compiled = torch.compile(window_triton.attend, backend='aot_eager', fullgraph=True)
    assert_close(with_gradients(compiled(*inputs, 3, 0.3), inputs), expected, 1e-6)


def test_operators_are_what_they_say_to_pytorch():
    inputs = maps((3, 5), 4, 4, 1)
    torch.library.opcheck(window_triton.window_attention, (*inputs, 3, 0.3))
    inputs = [x.detach() for x in (*inputs, inputs[2])]
    torch.library.opcheck(window_triton.window_attention_backward, (*inputs, 3, 0.3))


@pytest.mark.gpu
@pytest.mark.skipif(INTERPRETED, reason='needs a CUDA device, and no interpreter')
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ('channels', 'side', 'window'),
    [(64, 256, 7), (128, 112, 7), (256, 61, 11), (512, 50, 16), (1024, 32, 7), (1024, 32, 16)],
)
def test_sizes_of_the_networks(channels, side, window, dtype, layout):
    inputs = [x.detach() * channels**-0.25 for x in maps((channels, channels), side, side)]
    inputs = [x.to(dtype, memory_format=layout).requires_grad_() for x in inputs]
    check(inputs, window, TOLERANCE.get(dtype, 1e-5))
