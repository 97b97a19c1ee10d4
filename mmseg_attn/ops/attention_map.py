"""Compute a single row of the attention map, for visualization.

The attention functions do not return the map. A single row needs no more memory than the key.
"""

import torch
from torch import Tensor


def attention_map(
    query: Tensor,
    key: Tensor,
    point: tuple[int, int],
    window_size: int | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Compute the weights with which one position of ``query`` attends to those of ``key``.

    ``(map * value).sum(dim=(2, 3))`` is the output of ``global_attention`` at that position or,
    with ``window_size``, of ``window_attention``.

    Args:
        query: ``(N, Ck, Hq, Wq)``.
        key: ``(N, Ck, Hk, Wk)``; with ``window_size``, of the same size as the query.
        point: Row and column of the position in the query.
        window_size: Side of the windows in positions; ``None`` attends to the whole map.
        scale: Factor on the inner products.

    Returns:
        Weights ``(N, 1, Hk, Wk)``, which sum to one and are zero outside the position's window.

    Raises:
        ValueError: If the position is outside the query.
    """
    height, width = query.shape[2:]
    row, column = point
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f'row {row} and column {column} are outside the map of {height} rows and {width} '
            'columns: choose a position inside it'
        )
    rows, columns = window_at(point, window_size)
    scores = torch.einsum('nc,nchw->nhw', scale * query[:, :, row, column], key[..., rows, columns])
    weights = scores.flatten(1).softmax(dim=1).view_as(scores)
    out = key.new_zeros(key.shape[0], 1, *key.shape[2:])
    out[:, 0, rows, columns] = weights
    return out


def window_at(point: tuple[int, int], window_size: int | None) -> tuple[slice, slice]:
    """Return rows and columns of a position's window; the whole map if ``window_size`` is None."""
    if window_size is None:
        return slice(None), slice(None)
    top, left = (position - position % window_size for position in point)
    return slice(top, top + window_size), slice(left, left + window_size)
