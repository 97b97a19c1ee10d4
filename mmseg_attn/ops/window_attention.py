"""Attention inside non-overlapping m x m windows (LFA, section III.B).

The windows start at the top left corner. Where m does not divide a side, the windows at the bottom
and at the right end with the map: what would lie outside never receives weight.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compat.tracing import is_exporting
from . import backends
from .exporting import crop
from .window_strips import WindowStrips


@backends.written_out
def _reference(query: Tensor, key: Tensor, value: Tensor, window: int, scale: float) -> Tensor:
    """The formula written out: pad, cut into windows, product, masked softmax, product, join.

    Nothing depends on whether the windows divide the map, so that exported models run this.
    """
    size, channels = query.shape[2:], value.shape[1]
    rows, columns = ((side + window - 1) // window for side in size)
    missing = (0, columns * window - size[1], 0, rows * window - size[0])

    def windows(x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, rows, columns, m*m, C)
        tiles = F.pad(x, missing).reshape(*x.shape[:2], rows, window, columns, window)
        return tiles.permute(0, 2, 4, 3, 5, 1).flatten(3, 4)

    inside = windows(query.new_ones(1, 1, *size)).mT > 0
    scores = scale * windows(query) @ windows(key).mT  # (N, rows, columns, m*m, m*m)
    weights = scores.masked_fill(~inside, float('-inf')).softmax(dim=-1)
    out = weights @ windows(value)  # (N, rows, columns, m*m, Cv)
    tiles = out.unflatten(3, (window, window)).permute(0, 5, 1, 3, 2, 4)
    return crop(tiles.reshape(-1, channels, rows * window, columns * window), size)


def _sdpa(query: Tensor, key: Tensor, value: Tensor, window: int, scale: float) -> Tensor:
    """Fused attention without padding: whole windows first, then the narrower ones at the edges."""

    def attend(rows: slice, columns: slice) -> Tensor:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        m, n = min(window, height), min(window, width)
        tokens = []
        for x in (query, key, value):
            tiles = x[:, :, rows, columns].unflatten(3, (-1, n)).unflatten(2, (-1, m))
            tiles = tiles.permute(0, 2, 4, 3, 5, 1)  # (N, H/m, W/n, m, n, C)
            tokens.append(tiles.flatten(3, 4).flatten(1, 2))  # (N, windows, m*n, C)
        out = backends.attend(*tokens, scale)
        tiles = out.view(-1, height // m, width // n, m, n, value.shape[1])
        return tiles.permute(0, 5, 1, 3, 2, 4).reshape(-1, value.shape[1], height, width)

    def spans(size: int) -> list[slice]:
        whole = size - size % window
        return [s for s in (slice(0, whole), slice(whole, size)) if s.stop > s.start]

    height, width = query.shape[2:]
    return torch.cat(
        [torch.cat([attend(r, c) for c in spans(width)], dim=3) for r in spans(height)], dim=2
    )


def _triton(query: Tensor, key: Tensor, value: Tensor, window: int, scale: float) -> Tensor:
    """One kernel on the GPU, no copies."""
    from . import window_triton  # an extra

    return window_triton.attend(query, key, value, window, scale)


_BACKENDS = {
    'reference': _reference,
    'sdpa': _sdpa,
    'triton': _triton,
    'strips': WindowStrips.apply,
}


def window_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window_size: int,
    scale: float = 1.0,
    *,
    backend: str = 'auto',
) -> Tensor:
    """Attend from every position of ``query`` to ``key`` and ``value`` inside its own window.

    Args:
        query: ``(N, Ck, H, W)``.
        key: ``(N, Ck, H, W)``.
        value: ``(N, Cv, H, W)``.
        window_size: side of the windows in pixels; may exceed the map.
        scale: factor on the inner products, for example ``Ck ** -0.5``.
        backend: ``reference`` (the formula written out), ``sdpa`` (PyTorch's fused
            attention, nothing padded), ``strips`` (on the CPU, a part of the windows at a time),
            ``triton`` (on GPUs, one kernel without copies for windows up to 16, of the extra of
            that name) or ``auto``: ``strips`` on the CPU, else ``sdpa``. It leaves ``triton`` out,
            which has not been timed on a GPU yet.

    Returns:
        ``(N, Cv, H, W)``.

    Raises:
        ValueError: if the shapes do not fit together, the window is smaller than 1 or the backend
            is unknown or does not take these maps.
    """
    backends.check_maps(query, key, value)
    if query.shape[2:] != key.shape[2:]:
        raise ValueError(
            f'query and key need the same height and width for windows, got '
            f'{tuple(query.shape[2:])} and {tuple(key.shape[2:])}'
        )
    if window_size < 1:
        raise ValueError(f'window_size must be at least 1, got {window_size}')
    if is_exporting():
        backend = 'reference'  # the others depend on whether the windows divide the map
    run = backends.select(_BACKENDS, backend, query)
    return run(query, key, value, window_size, scale)
