"""Check the inputs of the attention functions, and select a backend."""

import functools
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compat.tracing import is_compiling

CPU_ONLY = ('chunks', 'strips')
LAUNCHES = 65535  # CUDA's limit for the grid dimensions that kernels use for batches
FLASH_CHANNELS = 256 if torch.__version__ >= '2.2' else 128  # limit of the flash kernel
HAS_SCALE = torch.__version__ >= '2.1'  # older versions always scale by Ck ** -0.5

T = TypeVar('T')


def select(
    backends: Mapping[str, Callable[..., Tensor]], name: str, x: Tensor
) -> Callable[..., Tensor]:
    """Return the backend with a name.

    ``auto`` is the last entry on the CPU, and ``sdpa`` on other devices and in a traced model.

    Raises:
        ValueError: If there is no backend of that name, or it does not run on the device of ``x``.
    """
    on_cpu = x.device.type == 'cpu'
    if name == 'auto':
        name = list(backends)[-1] if on_cpu and not is_compiling() else 'sdpa'
    if name not in backends:
        raise ValueError(f'unknown backend {name!r}: choose one of {["auto", *backends]}')
    if name in CPU_ONLY and not on_cpu:
        raise ValueError(f"backend {name!r} runs on the CPU, not on {x.device}: use 'auto'")
    return backends[name]


def check_maps(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Check that the shapes of query, key and value fit together.

    Raises:
        ValueError: If the ranks, batch sizes, query and key channels or key and value sizes
            differ.
    """
    shapes = f'query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}'
    if not query.dim() == key.dim() == value.dim() == 4:
        raise ValueError(f'attention takes maps of shape (N, C, H, W), got {shapes}')
    if not query.shape[0] == key.shape[0] == value.shape[0]:
        raise ValueError(f'query, key and value need the same batch size, got {shapes}')
    if query.shape[1] != key.shape[1]:
        raise ValueError(f'query and key need the same number of channels, got {shapes}')
    if key.shape[2:] != value.shape[2:]:
        raise ValueError(f'key and value need the same height and width, got {shapes}')


def written_out(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a formula compute in at least float32, also under autocast, and round only the result.

    The fused kernels do the same: scores and softmax are never in half precision.
    """

    @functools.wraps(formula)
    def run(query: Tensor, key: Tensor, value: Tensor, *args: float) -> Tensor:
        wide = torch.promote_types(value.dtype, torch.float32)
        with without_autocast(value):
            return formula(query.to(wide), key.to(wide), value.to(wide), *args).to(value.dtype)

    return run


def without_autocast(x: Tensor) -> torch.autocast:
    """Return a context in which autocast is off for the device of ``x``."""
    device = 'cpu' if x.is_meta else x.device.type  # autocast knows no meta device
    return torch.autocast(device, enabled=False)


def once(
    change: Callable[[Tensor], T], query: Tensor, key: Tensor, value: Tensor
) -> tuple[T, T, T]:
    """Apply a function to query, key and value, once only if key and value are the same tensor."""
    changed = change(value)
    return change(query), changed if key is value else change(key), changed


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Compute attention of token sequences with PyTorch's fused kernels, in linear memory.

    On the CPU it computes in at least float32: before PyTorch 2.2 the kernels round the scores of
    bfloat16 and do not support float16.

    Args:
        query: ``(B, L, Ck)``; on CUDA, B must not exceed ``LAUNCHES``.
        key: ``(B, S, Ck)``.
        value: ``(B, S, Cv)``.
        scale: Factor on the inner products.

    Returns:
        ``(B, L, Cv)``.
    """
    run = written_out(_fused) if value.device.type == 'cpu' else _fused
    return run(query, key, value, scale)


def _fused(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    channels, dtype = value.shape[-1], value.dtype
    widths = kernel_channels(value.device.type, dtype, key.shape[-1], channels)
    padded = _pad_channels(value, widths[1])
    key = padded if key is value else _pad_channels(key.to(dtype), widths[0])
    query = _pad_channels(query.to(dtype), widths[0])
    if HAS_SCALE:
        out = F.scaled_dot_product_attention(query, key, padded, scale=scale)
    else:
        out = F.scaled_dot_product_attention(query * (scale * widths[0] ** 0.5), key, padded)
    out = out.squeeze(1)
    return out if widths[1] == channels else out[..., :channels]


def _pad_channels(x: Tensor, channels: int) -> Tensor:
    """Pad the channels of tokens with zeros: ``(B, L, C)`` to ``(B, 1, L, channels)``."""
    missing = channels - x.shape[-1]
    return (F.pad(x, (0, missing)) if missing else x).unsqueeze(1)


def kernel_channels(
    device: str, dtype: torch.dtype, key_channels: int, value_channels: int
) -> tuple[int, int]:
    """Return how many channels tokens need for a kernel with linear memory.

    Missing channels are padded with zeros, which do not change an inner product, but cost time:

    - The flash kernel, for 16 bits and up to ``FLASH_CHANNELS``, needs the same number of channels
      in query, key and value, a multiple of 8. The flash kernel of the CPU supports all types and
      numbers.
    - The memory-efficient kernel supports any two numbers that are multiples of 4 in float32 and of
      8 in 16 bits. It is used for float32, and for many channels (128 and 1024 in DA-UNet).
    - There is no kernel for float64. The meta device needs none: nothing is computed there, and
      FLOPs are counted without padding.

    Args:
        device: Type of the device.
        dtype: Type of the tokens.
        key_channels: Channels of query and key.
        value_channels: Channels of the value.

    Returns:
        The channels of query and key, and those of the value.
    """
    most = max(key_channels, value_channels)
    if device == 'cpu':
        return most, most
    if device == 'meta' or dtype == torch.float64:
        return key_channels, value_channels
    if dtype != torch.float32 and most <= FLASH_CHANNELS:
        key_channels = value_channels = most
    return -(-key_channels // 8) * 8, -(-value_channels // 8) * 8
