"""Window attention on GPUs, with kernels that read and write the maps in place.

Maps are neither split into windows nor padded, for any strides. The forward pass reads query, key
and value once and writes the result once; for windows larger than 8, each block of queries reads
key and value again, from the cache. The backward pass recomputes the attention map, for which it
reads query and key a second time. PyTorch sees two operators, so that ``torch.compile`` neither
looks inside nor breaks the graph.
"""

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MAX_WINDOW = 16
TYPES = (torch.float32, torch.float16, torch.bfloat16)
HAS_TRITON = importlib.util.find_spec('triton') is not None
INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'  # Triton runs on the CPU, for tests


def attend(query: Tensor, key: Tensor, value: Tensor, window: int, scale: float) -> Tensor:
    """Compute softmax attention in every window of maps ``(N, C, H, W)``.

    Raises:
        ValueError: If Triton is missing or does not run on the device, the maps differ in device
            or type, or the kernels do not support the type or the window.
    """
    _check((query, key, value), window)
    return window_attention(query, key, value, min(window, max(query.shape[2:])), scale)


@torch.library.custom_op('mmseg_attn::window_attention', mutates_args=())
def window_attention(
    query: Tensor, key: Tensor, value: Tensor, window: int, scale: float
) -> Tensor:
    """Run the forward kernel."""
    out = torch.empty_like(value)
    _launch('forward', (query, key, value, out), (), window, scale)
    return out


@torch.library.custom_op('mmseg_attn::window_attention_backward', mutates_args=())
def window_attention_backward(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, window: int, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the backward kernels: one, or a second one where a window has several blocks."""
    inputs = query, key, value, grad
    query_grad, key_grad, value_grad = grads = [torch.empty_like(x) for x in inputs[:3]]
    cut = options(window, query.dtype)
    several = cut['ROWS'] < cut['TOKENS']
    size = _windows(query, window) * cut['TOKENS'] if several else 0
    rows = query.new_empty(2, size, dtype=torch.float32).unbind()
    _launch('backward_queries', (*inputs, *grads), rows, window, scale)
    if several:
        _launch('backward_keys', (*inputs, key_grad, value_grad), rows, window, scale)
    return query_grad, key_grad, value_grad


@window_attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, window: int, scale: float) -> Tensor:
    return torch.empty_like(value)


@window_attention_backward.register_fake
def _(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, window: int, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *maps, ctx.window, ctx.scale = inputs
    ctx.save_for_backward(*maps)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grads = window_attention_backward(*ctx.saved_tensors, grad, ctx.window, ctx.scale)
    return *grads, None, None


window_attention.register_autograd(_differentiate, setup_context=_save)


def _check(maps: tuple[Tensor, ...], window: int) -> None:
    device, dtype = maps[0].device, maps[0].dtype
    if not HAS_TRITON:
        raise ValueError('the kernels need the package triton: pip install triton')
    if not _runs_on(device):
        raise ValueError(f'the kernels run on a GPU (NVIDIA: Ampere or newer), not on {device}')
    if any((x.device, x.dtype) != (device, dtype) for x in maps) or dtype not in TYPES:
        raise ValueError(
            "backend 'triton' needs query, key and value on one device and of one type of 16 or 32 "
            f'bits, got {", ".join(f"{x.dtype} on {x.device}" for x in maps)}'
        )
    if window > MAX_WINDOW:
        raise ValueError(f'the kernels support windows up to {MAX_WINDOW}, got {window}')


def _runs_on(device: torch.device) -> bool:
    if INTERPRETED or device.type != 'cuda':
        return INTERPRETED
    return torch.version.hip is not None or torch.cuda.get_device_properties(device).major >= 8


def options(window: int, dtype: torch.dtype) -> dict[str, int]:
    """Return the block sizes of the kernels for a window and a type.

    The scores of ``ROWS`` tokens with all ``TOKENS`` of a window stay in registers. Products of
    float32, without tensor cores, need more registers.
    """
    wide = dtype == torch.float32
    tokens = max(16, 1 << (window * window - 1).bit_length())
    rows = min(tokens, (4096 if wide else 8192) // tokens)
    return dict(
        WINDOW=window,
        TOKENS=tokens,
        ROWS=rows,
        CHANNELS=16 if wide else 32,
        num_warps=max(1, min(8, rows * tokens // 512)),
        num_stages=2,
    )


def _windows(x: Tensor, window: int) -> int:
    height, width = x.shape[2:]
    return len(x) * -(-height // window) * -(-width // window)


def _launch(kernel: str, maps: Sequence[Tensor], rows: Sequence, window: int, scale: float) -> None:
    """Run a kernel; ``rows`` are its vectors with one value for each query."""
    from . import window_kernels  # needs Triton

    query, _, value = maps[:3]
    cut = options(window, query.dtype)
    programs = _windows(query, window) * cut['TOKENS'] // cut['ROWS']
    with torch.cuda.device_of(query):
        getattr(window_kernels, kernel)[(programs,)](
            *maps,
            *rows,
            *(x.stride() for x in maps),
            *query.shape[2:],
            query.shape[1],
            value.shape[1],
            scale,
            **cut,
        )
