"""Compute global attention on the CPU, for a part of the queries at a time.

The attention map has a value for each pair of positions. The forward pass keeps a few of its rows
at a time; the backward pass recomputes it tile by tile. Their size also matters for speed: they
stay in the processor's cache, and the same memory is reused. 16-bit tokens are computed in 32 bits.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 1 << 21  # values of the attention map in the forward pass
TILE = 1024  # queries and keys in the backward pass

_onednn = getattr(torch.ops.mkldnn, '_linear_pointwise', None)
if torch.__version__ < '2.1':  # where the operator requires a fused activation
    _onednn = None


class GlobalChunks(torch.autograd.Function):
    """Compute ``softmax(scale * Q K^T) V``: ``(N, L, Ck)``, ``(N, S, Ck)`` and ``(N, S, Cv)``."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Compute the output for a chunk of the queries at a time."""
        samples, queries, _ = query.shape
        keys = key.shape[1]
        step = min(max(1, CHUNK // keys), queries)
        buffer = query.new_empty(step, keys)
        out = value.new_empty(samples, queries, value.shape[2])
        normalizer = query.new_empty(samples, queries, 1)  # logarithm of the softmax's denominator
        with torch.autocast('cpu', enabled=False):
            for n in range(samples):
                for rows in _spans(queries, step):
                    weights = buffer[: rows.stop - rows.start]
                    scores = _product(scale * query[n, rows], key[n])
                    torch.softmax(scores, dim=1, out=weights)
                    out[n, rows] = _product(weights, value[n].T)
                    top, largest = (x.amax(dim=1, keepdim=True) for x in (scores, weights))
                    normalizer[n, rows] = top - largest.log()
        ctx.save_for_backward(query, key, value, out, normalizer)
        ctx.scale = scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients tile by tile, from recomputed attention weights."""
        query, key, value, out, normalizer = ctx.saved_tensors
        dq = torch.zeros_like(query)
        dk, dv = (torch.zeros_like(x.mT).contiguous() for x in (key, value))  # (N, C, S)
        steps = [math.ceil(x.shape[1] / math.ceil(x.shape[1] / TILE)) for x in (query, key)]
        expected = (grad * out).sum(dim=2, keepdim=True)  # mean of the weights' gradient, by row
        with torch.autocast('cpu', enabled=False):
            for n in range(len(query)):
                q, k, v, g = ctx.scale * query[n], key[n], value[n], grad[n].contiguous()
                for rows in _spans(len(q), steps[0]):
                    for columns in _spans(len(k), steps[1]):
                        weights = _product(q[rows], k[columns]).sub_(normalizer[n, rows]).exp_()
                        scores = _product(g[rows], v[columns]).sub_(expected[n, rows])
                        scores *= weights
                        dq[n, rows] += _product(scores, k[columns].T)
                        # as the second factor, the tile is transposed without a copy
                        dk[n, :, columns] += _product(q[rows].T, scores.T)
                        dv[n, :, columns] += _product(g[rows].T, weights.T)
                dq[n] *= ctx.scale
        return dq, dk.mT, dv.mT, None


def _spans(size: int, step: int) -> Iterator[slice]:
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Compute ``a b^T``, in float32 by oneDNN, which is twice as fast as MKL on an AMD EPYC."""
    if _onednn is None or a.dtype != torch.float32:
        return a @ b.T
    return _onednn(a, b, None, 'none', [], '')
