"""Global attention on the CPU: a part of the queries at a time, in buffers that are used again.

The attention map has as many values as there are pairs of positions. Forward, a few of its rows at
a time exist; backward, a tile of it, computed again. The buffers matter as much as their size: new
memory for every part costs more than the arithmetic on it. 16-bit tokens are attended in 32 bits.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 1 << 21  # values of the attention map, forward
TILE = 800  # queries and keys, backward: products of such matrices are the fastest


class GlobalChunks(torch.autograd.Function):
    """``softmax(scale * Q K^T) V`` for ``(N, L, Ck)``, ``(N, S, Ck)`` and ``(N, S, Cv)``."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        samples, queries, _ = query.shape
        keys = key.shape[1]
        step = min(max(1, CHUNK // keys), queries)
        buffers = query.new_empty(2, step, keys)
        out = value.new_empty(samples, queries, value.shape[2])
        normaliser = query.new_empty(samples, queries, 1)  # logarithm of the softmax's denominator
        with torch.autocast('cpu', enabled=False):
            for n in range(samples):
                for rows in _spans(queries, step):
                    scores, weights = buffers[:, : rows.stop - rows.start]
                    torch.mm(scale * query[n, rows], key[n].T, out=scores)
                    torch.softmax(scores, dim=1, out=weights)
                    torch.mm(weights, value[n], out=out[n, rows])
                    top, share = (x.amax(dim=1, keepdim=True) for x in (scores, weights))
                    normaliser[n, rows] = top - share.log()
        ctx.save_for_backward(query, key, value, out, normaliser)
        ctx.scale = scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, normaliser = ctx.saved_tensors
        grads = [torch.zeros_like(x) for x in (query, key, value)]
        steps = [math.ceil(x.shape[1] / math.ceil(x.shape[1] / TILE)) for x in (query, key)]
        buffers = query.new_empty(2, math.prod(steps))
        expected = (grad * out).sum(dim=2, keepdim=True)  # of the weights' gradient, by row
        with torch.autocast('cpu', enabled=False):
            for n in range(len(query)):
                q, k, v, g = ctx.scale * query[n], key[n], value[n], grad[n].contiguous()
                dq, dk, dv = (x[n] for x in grads)
                for rows in _spans(len(q), steps[0]):
                    for columns in _spans(len(k), steps[1]):
                        shape = rows.stop - rows.start, columns.stop - columns.start
                        weights, scores = (b[: math.prod(shape)].view(shape) for b in buffers)
                        torch.mm(q[rows], k[columns].T, out=weights).sub_(normaliser[n, rows])
                        torch.exp(weights, out=weights)
                        torch.mm(g[rows], v[columns].T, out=scores).sub_(expected[n, rows])
                        scores.mul_(weights)
                        dq[rows].addmm_(scores, k[columns])
                        dk[columns].addmm_(scores.T, q[rows])
                        dv[columns].addmm_(weights.T, g[rows])
                dq *= ctx.scale
        return *grads, None


def _spans(size: int, step: int) -> Iterator[slice]:
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))
