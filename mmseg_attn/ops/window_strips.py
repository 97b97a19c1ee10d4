"""Compute window attention on the CPU, for as many windows at a time as fit into the cache.

Splitting a map into windows copies its values; for the whole map, forward and backward, this takes
longer than the attention itself. Here a strip of windows is copied, processed and written back
while it is in the cache. The backward pass needs only the attention map, m * m values for each
position. 16-bit maps are computed in 32 bits.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 1 << 21  # of a map, or of the attention map if that is larger

Area = tuple[slice, slice, slice]  # samples, rows, columns


class WindowStrips(torch.autograd.Function):
    """Compute ``softmax(scale * Q K^T) V`` in every window of maps ``(N, C, H, W)``."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, window: int, scale: float
    ) -> Tensor:
        """Compute the output for a strip of windows at a time."""
        ctx.window, ctx.scale, ctx.shared = window, scale, key is value
        out = torch.empty_like(value)
        kept = []
        with torch.autocast('cpu', enabled=False):
            for area in _areas(value, window):
                q, k = (_cut(x, area, window) for x in (query, key))
                v = k if key is value else _cut(value, area, window)
                weights = _scaled(torch.bmm(q, k.mT), scale).softmax(dim=-1)
                _put(out, area, window, torch.bmm(weights, v))
                if any(ctx.needs_input_grad):
                    kept.append(weights)
        ctx.save_for_backward(query, key, value, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients strip by strip, from the saved attention weights."""
        query, key, value, *kept = ctx.saved_tensors
        grads = [torch.empty_like(x) for x in (query, key, value)[: 3 - ctx.shared]]
        with torch.autocast('cpu', enabled=False):
            for area, weights in zip(_areas(value, ctx.window), kept, strict=True):
                q, k, g = (_cut(x, area, ctx.window) for x in (query, key, grad))
                v = k if ctx.shared else _cut(value, area, ctx.window)
                scores = torch.bmm(g, v.mT)  # the gradient of the weights, then of the scores
                scores = torch._softmax_backward_data(scores, weights, -1, weights.dtype)
                scores = _scaled(scores, ctx.scale)
                tokens = [torch.bmm(scores, k), torch.bmm(scores.mT, q)]
                if ctx.shared:
                    tokens[1].baddbmm_(weights.mT, g)
                else:
                    tokens.append(torch.bmm(weights.mT, g))
                for x, t in zip(grads, tokens, strict=True):
                    _put(x, area, ctx.window, t)
        return *grads, *[None] * (2 + ctx.shared)


def _scaled(scores: Tensor, scale: float) -> Tensor:
    return scores if scale == 1 else scores.mul_(scale)  # LFA does not scale its scores


def _areas(x: Tensor, window: int) -> Iterator[Area]:
    """Split a batch of maps into areas of whole windows and of windows cut off at the edges."""
    samples, channels, height, width = x.shape
    position = max(channels, window * window) * x.element_size()
    step = max(1, CHUNK_BYTES // (position * width * height))
    for start in range(0, samples, step):
        for columns in _spans(width, window, width):
            row = position * (columns.stop - columns.start)
            rows = window * max(1, CHUNK_BYTES // (row * window))
            for row_span in _spans(height, window, rows):
                yield slice(start, start + step), row_span, columns


def _spans(size: int, window: int, step: int) -> Iterator[slice]:
    """Split a side into spans of whole windows, at most ``step`` positions long, and the rest."""
    whole = size - size % window
    for start in range(0, whole, step):
        yield slice(start, min(start + step, whole))
    if whole < size:
        yield slice(whole, size)


def _tiles(x: Tensor, area: Area, window: int) -> Tensor:
    """View the windows of an area: ``(N, C, H, W)`` as ``(N, H/m, W/n, C, m, n)``."""
    samples, rows, columns = area
    height, width = min(window, rows.stop - rows.start), min(window, columns.stop - columns.start)
    x = x[samples, :, rows, columns].unflatten(3, (-1, width)).unflatten(2, (-1, height))
    return x.permute(0, 2, 4, 1, 3, 5)


def _cut(x: Tensor, area: Area, window: int) -> Tensor:
    """Copy the windows of an area: ``(N, C, H, W)`` to ``(windows, m*n, C)``.

    Channels or positions stay contiguous as in ``x``; exchanging them would take twice as long.
    """
    tiles = _tiles(x, area, window)
    channels_last = x.stride(1) == 1
    if channels_last:
        tiles = tiles.movedim(3, 5)
    tokens = tiles.contiguous().flatten(0, 2)
    tokens = tokens.flatten(1, 2) if channels_last else tokens.flatten(2).mT
    return tokens.float() if x.element_size() < 4 else tokens


def _put(x: Tensor, area: Area, window: int, tokens: Tensor) -> None:
    """Write ``(windows, m*n, C)`` into the windows of an area."""
    tiles = _tiles(x, area, window).movedim(3, 5)
    tiles.copy_(tokens.to(x.dtype).view(tiles.shape))  # converting and moving in one step is slower
