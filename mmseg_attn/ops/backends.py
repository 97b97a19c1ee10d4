"""What the attention functions share: input checks and the choice of a backend."""

import functools
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compat.tracing import is_compiling

CPU_ONLY = ('chunks', 'strips')


def select(backends: Mapping[str, Callable], name: str, x: Tensor) -> Callable:
    """Return the backend called ``name``.

    ``auto`` is the last entry on the CPU, and ``sdpa`` elsewhere and where the model is traced.

    Raises:
        ValueError: if there is no backend of that name, or it does not run on the device of ``x``.
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
    """Check that query, key and value are maps that attend to each other.

    Raises:
        ValueError: if the ranks, batch sizes, query and key channels or key and value sizes
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
    """Let a formula compute in at least float32, under autocast too, and round the result alone.

    The fused kernels do the same: scores and softmax are never in half precision.
    """

    @functools.wraps(formula)
    def run(query: Tensor, key: Tensor, value: Tensor, *args) -> Tensor:
        wide = torch.promote_types(value.dtype, torch.float32)
        with without_autocast(value):
            return formula(query.to(wide), key.to(wide), value.to(wide), *args).to(value.dtype)

    return run


def without_autocast(x: Tensor) -> torch.autocast:
    """Return a context in which the device of ``x`` computes in the types that it is given."""
    device = 'cpu' if x.is_meta else x.device.type  # autocast knows no meta device
    return torch.autocast(device, enabled=False)


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Softmax attention of token sequences with PyTorch's fused kernels, in linear memory.

    The fused kernels want one channel count for all three, so missing channels are filled with
    zeros: they add nothing to an inner product. Not on the meta device, where nothing is computed
    and FLOPs are counted: these are the formula's.

    Windows stand where heads usually do, beside the batch: CUDA launches at most 65535 of each.

    Args:
        query: ``(N, windows, L, Ck)``.
        key: ``(N, windows, S, Ck)``.
        value: ``(N, windows, S, Cv)``.
        scale: factor on the inner products.

    Returns:
        ``(N, windows, L, Cv)``.
    """
    key_channels, value_channels = key.shape[-1], value.shape[-1]
    if query.is_meta:
        pass
    elif key_channels < value_channels:
        missing = (0, value_channels - key_channels)
        query, key = F.pad(query, missing), F.pad(key, missing)
    elif value_channels < key_channels:
        value = F.pad(value, (0, key_channels - value_channels))
    out = F.scaled_dot_product_attention(query, key, value, scale=scale)
    return out[..., :value_channels]
