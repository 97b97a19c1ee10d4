"""Compute attention inside non-overlapping m x m windows (LFA, section III.B).

The windows start at the top left corner. If m does not divide a side, the windows at the bottom or
the right are cut off at the edge of the map: positions outside the map never receive weight.
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
    """Compute the formula directly: pad, split into windows, attend with a mask, join.

    No branch depends on whether the windows divide the map, so exported models use this backend.
    """
    size, channels = query.shape[2:], value.shape[1]
    more = 1 if is_exporting() else 0  # at least two, since the exporter treats one as a constant
    rows, columns = ((side + window - 1) // window + more for side in size)
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
    """Use fused attention without padding: whole windows first, then narrower ones at the edges.

    If the value is channels-last, so are the result and the gradients: maps are then split as
    ``(N, H, W, C)``, otherwise as ``(N, C, H, W)``.
    """
    channels_last = value.stride(1) == 1
    rows = 1 if channels_last else 2  # dimension of the rows; the next one is that of the columns
    cut, back = (0, 2, 4, 3, 5, 1), (0, 5, 1, 3, 2, 4)  # to (N, H/m, W/n, m, n, C), and back
    if channels_last:
        cut = back = (0, 1, 3, 2, 4, 5)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        height, width = value.shape[rows : rows + 2]
        m, n = min(window, height), min(window, width)

        def tokens(x: Tensor) -> Tensor:  # to (N H/m W/n, m n, C)
            tiles = x.unflatten(rows + 1, (-1, n)).unflatten(rows, (-1, m)).permute(cut)
            return tiles.flatten(3, 4).flatten(0, 2).contiguous()

        parts = backends.once(lambda x: _split(tokens(x), backends.LAUNCHES), query, key, value)
        out = _join([backends.attend(*part, scale) for part in zip(*parts, strict=True)])
        tiles = out.view(len(value), height // m, width // n, m, n, -1).permute(back)
        return tiles.flatten(rows + 2, rows + 3).flatten(rows, rows + 1)

    def areas(x: Tensor) -> list[list[Tensor]]:
        x = x.permute(0, 2, 3, 1) if channels_last else x
        heights, widths = (_whole_and_rest(side, window) for side in x.shape[rows : rows + 2])
        return [_split(row, widths, rows + 1) for row in _split(x, heights, rows)]

    grid = zip(*backends.once(areas, query, key, value), strict=True)
    out = _join([_join([*map(attend, *row)], rows + 1) for row in grid], rows)
    out = out.contiguous()  # it already is, unless one window is as wide as the map
    return out.permute(0, 3, 1, 2) if channels_last else out


def _whole_and_rest(side: int, window: int) -> list[int]:
    """Split a side into the part of whole windows and the rest; leave out empty parts."""
    return [size for size in (side - side % window, side % window) if size]


def _split(x: Tensor, sizes: int | list[int], dim: int = 0) -> list[Tensor]:
    """Split a map so that the backward pass writes its gradient once.

    The backward pass of slices would add up a map for each slice, mostly of zeros. A single part is
    not split: its backward pass would copy it.
    """
    one = x.shape[dim] <= sizes if isinstance(sizes, int) else len(sizes) == 1
    return [x] if one else x.split(sizes, dim)


def _join(parts: list[Tensor], dim: int = 0) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


_BACKENDS = {
    'reference': _reference,
    'sdpa': _sdpa,
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
        window_size: Side m of the windows in positions; may exceed the map.
        scale: Factor on the inner products, for example ``Ck ** -0.5``.
        backend: ``reference`` (the formula itself), ``sdpa`` (PyTorch's fused attention without
            padding), ``strips`` (CPU only, a part of the windows at a time) or ``auto``: ``strips``
            on the CPU, else ``sdpa``.

    Returns:
        ``(N, Cv, H, W)``.

    Raises:
        ValueError: If the shapes do not fit together, the window is smaller than 1 or the backend
            is unknown or does not support these maps.
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
