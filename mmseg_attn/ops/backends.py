"""What the attention functions share: input checks and the choice of a backend."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor


def select(backends: Mapping[str, Callable], name: str) -> Callable:
    """Return the backend called ``name``; ``auto`` is the last entry.

    Raises:
        ValueError: if there is no backend of that name.
    """
    if name == 'auto':
        return list(backends.values())[-1]
    if name not in backends:
        raise ValueError(f'unknown backend {name!r}: choose one of {["auto", *backends]}')
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


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Softmax attention of token sequences with PyTorch's fused kernels, in linear memory.

    The fused kernels want one channel count for all three, so missing channels are filled with
    zeros: they add nothing to an inner product.

    Args:
        query: ``(B, L, Ck)``.
        key: ``(B, S, Ck)``.
        value: ``(B, S, Cv)``.
        scale: factor on the inner products.

    Returns:
        ``(B, L, Cv)``.
    """
    key_channels, value_channels = key.shape[-1], value.shape[-1]
    if key_channels < value_channels:
        missing = (0, value_channels - key_channels)
        query, key = F.pad(query, missing), F.pad(key, missing)
    elif value_channels < key_channels:
        value = F.pad(value, (0, key_channels - value_channels))
    # one head: (B, 1, L, C)
    out = F.scaled_dot_product_attention(
        query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), scale=scale
    )
    return out.squeeze(1)[..., :value_channels]
