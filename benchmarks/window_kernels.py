"""Window attention in Triton: one program computes a block of the queries of one window.

A tile is ``[channels, tokens]``: the tokens of a window by rows, padded to a power of two. Elements
outside the window, the map or the channels are masked: they are neither read nor written. Threads
run along the tokens of contiguous maps and along the channels of channels-last maps, which the
compiler recognizes by the stride of one. Neighboring programs share the cache lines at the edges of
their windows. Offsets inside a window fit into 32 bits, those to a window or a channel may not.

The scores of a block of queries with all keys of the window are in registers, in float32, so that
the softmax needs no second pass; channels are processed in blocks. 16-bit maps are multiplied in 16
bits with sums in float32; float32 is never rounded to TF32.

This module needs Triton and is imported only when the backend runs.
"""

import os

import triton
import triton.language as tl

INTERPRETED = tl.constexpr(os.environ.get('TRITON_INTERPRET') == '1')


@triton.jit
def forward(
    query, key, value, out, query_strides, key_strides, value_strides, out_strides,
    height, width, channels, value_channels, scale,
    WINDOW: tl.constexpr, TOKENS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Compute ``softmax(scale * Q K^T) V`` for a block of queries."""
    start, place, _ = _locate(height, width, WINDOW, TOKENS // ROWS, ROWS)
    queries = _tokens(start, place, height, width, WINDOW, ROWS)
    keys = _tokens(0, place, height, width, WINDOW, TOKENS)
    weights, _ = _weights(
        query, key, query_strides, key_strides, place, queries, keys, channels, scale,
        ROWS, TOKENS, CHANNELS,
    )  # fmt: skip
    weights = weights.to(value.dtype.element_ty)
    for first in range(0, value_channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        v = _load(value, value_strides, place, keys, span, value_channels)
        _store(out, out_strides, place, queries, span, value_channels, _dot(weights, v.T).T)


@triton.jit
def backward_queries(
    query, key, value, grad, query_grad, key_grad, value_grad, normalizer, expected,
    query_strides, key_strides, value_strides, grad_strides,
    query_grad_strides, key_grad_strides, value_grad_strides,
    height, width, channels, value_channels, scale,
    WINDOW: tl.constexpr, TOKENS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of a block of queries; of keys and values too, if it is the only block.

    Otherwise it stores what :func:`backward_keys` needs for each query: the logarithm of the
    softmax's denominator, and the mean of the weights' gradient.
    """
    start, place, window = _locate(height, width, WINDOW, TOKENS // ROWS, ROWS)
    queries = _tokens(start, place, height, width, WINDOW, ROWS)
    keys = _tokens(0, place, height, width, WINDOW, TOKENS)
    weights, log_sum = _weights(
        query, key, query_strides, key_strides, place, queries, keys, channels, scale,
        ROWS, TOKENS, CHANNELS,
    )  # fmt: skip
    rounded = weights.to(value.dtype.element_ty)
    scores = tl.zeros([ROWS, TOKENS], tl.float32)  # the gradient of the weights, then of the scores
    for first in range(0, value_channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        g = _load(grad, grad_strides, place, queries, span, value_channels)
        v = _load(value, value_strides, place, keys, span, value_channels)
        scores = _dot_add(g.T, v, scores)
        if ROWS == TOKENS:
            tile = _dot(g, rounded)
            _store(value_grad, value_grad_strides, place, keys, span, value_channels, tile)
    mean = tl.sum(weights * scores, 1)
    scores = (weights * (scores - mean[:, None]) * scale).to(value.dtype.element_ty)
    if ROWS != TOKENS:
        at = window * TOKENS + start + tl.arange(0, ROWS)
        tl.store(normalizer + at, log_sum)
        tl.store(expected + at, mean)
    for first in range(0, channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        k = _load(key, key_strides, place, keys, span, channels)
        tile = _dot(scores, k.T).T
        _store(query_grad, query_grad_strides, place, queries, span, channels, tile)
        if ROWS == TOKENS:
            q = _load(query, query_strides, place, queries, span, channels)
            _store(key_grad, key_grad_strides, place, keys, span, channels, _dot(q, scores))


@triton.jit
def backward_keys(
    query, key, value, grad, key_grad, value_grad, normalizer, expected,
    query_strides, key_strides, value_strides, grad_strides,
    key_grad_strides, value_grad_strides,
    height, width, channels, value_channels, scale,
    WINDOW: tl.constexpr, TOKENS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of a block of keys and values, if a window has several blocks.

    Queries outside the map are zero, and so is their gradient: they add nothing.
    """
    start, place, window = _locate(height, width, WINDOW, TOKENS // ROWS, ROWS)
    keys = _tokens(start, place, height, width, WINDOW, ROWS)
    queries = _tokens(0, place, height, width, WINDOW, TOKENS)
    at = window * TOKENS + tl.arange(0, TOKENS)
    scores = tl.zeros([ROWS, TOKENS], tl.float32)  # of each key with each query
    for first in range(0, channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        k = _load(key, key_strides, place, keys, span, channels)
        q = _load(query, query_strides, place, queries, span, channels)
        scores = _dot_add(k.T, q, scores)
    exponents = scores * scale - tl.load(normalizer + at)[None, :]
    weights = tl.exp(
        tl.minimum(exponents, 0.0)
    )  # large scores may differ by the order of summation
    rounded = weights.to(value.dtype.element_ty)
    scores = tl.zeros([ROWS, TOKENS], tl.float32)
    for first in range(0, value_channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        v = _load(value, value_strides, place, keys, span, value_channels)
        g = _load(grad, grad_strides, place, queries, span, value_channels)
        scores = _dot_add(v.T, g, scores)
        tile = _dot(rounded, g.T).T
        _store(value_grad, value_grad_strides, place, keys, span, value_channels, tile)
    scores = weights * (scores - tl.load(expected + at)[None, :]) * scale
    scores = scores.to(value.dtype.element_ty)
    for first in range(0, channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        q = _load(query, query_strides, place, queries, span, channels)
        _store(key_grad, key_grad_strides, place, keys, span, channels, _dot(scores, q.T).T)


@triton.jit
def _locate(height, width, WINDOW: tl.constexpr, BLOCKS: tl.constexpr, ROWS: tl.constexpr):
    """Return the program's first token, its window's sample, top and left, and window number."""
    program = tl.program_id(0)
    window = program // BLOCKS
    across = tl.cdiv(width, WINDOW)
    down = tl.cdiv(height, WINDOW)
    left = window % across * WINDOW
    top = window // across % down * WINDOW
    sample = window // (across * down)
    return program % BLOCKS * ROWS, (sample, top, left), window.to(tl.int64)


@triton.jit
def _tokens(start, place, height, width, WINDOW: tl.constexpr, COUNT: tl.constexpr):
    """Return rows and columns of tokens in their window, and whether window and map hold them."""
    token = start + tl.arange(0, COUNT)
    row = token // WINDOW
    column = token % WINDOW
    inside = (row < WINDOW) & (row < height - place[1]) & (column < width - place[2])
    return row, column, inside


@triton.jit
def _weights(
    query, key, query_strides, key_strides, place, queries, keys, channels, scale,
    ROWS: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Compute the softmax over the keys inside the map, and the logarithm of its denominator.

    Every window has its top left pixel inside the map, so that no row is empty.
    """
    scores = tl.zeros([ROWS, TOKENS], tl.float32)
    for first in range(0, channels, CHANNELS):
        span = first + tl.arange(0, CHANNELS)
        q = _load(query, query_strides, place, queries, span, channels)
        k = _load(key, key_strides, place, keys, span, channels)
        scores = _dot_add(q.T, k, scores)
    scores = tl.where(keys[2][None, :], scores * scale, float('-inf'))
    top = tl.max(scores, 1)
    weights = tl.exp(scores - top[:, None])
    total = tl.sum(weights, 1)
    return weights / total[:, None], top + tl.log(total)


@triton.jit
def _pointers(x, strides, place, tokens, span):
    sample, top, left = place[0].to(tl.int64), place[1].to(tl.int64), place[2].to(tl.int64)
    corner = x + sample * strides[0] + top * strides[2] + left * strides[3]
    token = tokens[0] * strides[2] + tokens[1] * strides[3]
    return corner + span.to(tl.int64)[:, None] * strides[1] + token[None, :]


@triton.jit
def _load(x, strides, place, tokens, span, channels):
    mask = (span < channels)[:, None] & tokens[2][None, :]
    return tl.load(_pointers(x, strides, place, tokens, span), mask=mask, other=0.0)


@triton.jit
def _store(x, strides, place, tokens, span, channels, tile):
    mask = (span < channels)[:, None] & tokens[2][None, :]
    at = _pointers(x, strides, place, tokens, span)
    tl.store(at, tile.to(x.dtype.element_ty), mask=mask)


@triton.jit
def _dot(a, b):
    return _dot_add(a, b, tl.zeros([a.shape[0], b.shape[1]], tl.float32))


@triton.jit
def _dot_add(a, b, c):
    if INTERPRETED:  # the interpreter has no product of bfloat16
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, c, input_precision='ieee')
