"""Window attention on the GPU: Triton kernels that read the maps in place and write the result once.

A program takes one window, or 64 of its queries where it has more than 64 positions, straight from
the maps, contiguous or channels-last: nothing is padded or partitioned in memory. The channels pass
by in blocks. The scores of the queries stay in registers, so the softmax needs no second look. What
lies outside of the map or fills the window's positions up to a power of two is masked.

The backward pass computes the weights again. Up to 64 positions one kernel does it all, reading
query, key, value and gradient once (query and key of more than one block of channels twice, the
second time from the cache). Larger windows take two: a key's gradient needs all queries, whose
normalisation the first kernel leaves behind.

Products of float32 are sums of three TF32 products, as exact as float32; 16-bit weights and their
gradients are rounded to 16 bits for the products, which are summed in float32.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

MAX_WINDOW = 16
SCORES = 64 * 64  # of a program: what the registers hold
_TYPES = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}

# A map is a tuple: pointer, channels, strides of (N, C, H, W). Tokens are a tuple: sample, rows,
# columns, whether they lie inside.


@triton.jit
def _window(height, width, WINDOW: tl.constexpr, PARTS: tl.constexpr):
    """The part of a window that is this program's, then sample, top row and left column."""
    program = tl.program_id(0)
    window, across = program // PARTS, tl.cdiv(width, WINDOW)
    down = tl.cdiv(height, WINDOW)
    top, left = window // across % down * WINDOW, window % across * WINDOW
    return program % PARTS, window // across // down, top, left


@triton.jit
def _tokens(first, sample, top, left, height, width, WINDOW: tl.constexpr, COUNT: tl.constexpr):
    """``COUNT`` positions of a window from its ``first`` on."""
    token = first + tl.arange(0, COUNT)
    rows, columns = top + token // WINDOW, left + token % WINDOW
    inside = (token < WINDOW * WINDOW) & (rows < height) & (columns < width)
    return sample.to(tl.int64), rows.to(tl.int64), columns.to(tl.int64), inside


@triton.jit
def _place(x, tokens, channel, BLOCK: tl.constexpr, LAST: tl.constexpr):
    """Pointers to a block of channels of the tokens, and mask; neighbours in memory come last."""
    sample, rows, columns, inside = tokens
    channels = (channel + tl.arange(0, BLOCK)).to(tl.int64)
    position = sample * x[2] + rows * x[4] + columns * x[5]
    within = channels < x[1]
    if LAST:
        pointers = x[0] + position[:, None] + (channels * x[3])[None, :]
        mask = inside[:, None] & within[None, :]
    else:
        pointers = x[0] + (channels * x[3])[:, None] + position[None, :]
        mask = within[:, None] & inside[None, :]
    return pointers, mask


@triton.jit
def _load(x, tokens, channel, BLOCK: tl.constexpr, LAST: tl.constexpr, TYPE: tl.constexpr):
    """``(tokens, BLOCK)``, zero outside."""
    pointers, mask = _place(x, tokens, channel, BLOCK, LAST)
    block = tl.load(pointers, mask=mask, other=0.0).to(TYPE)
    if not LAST:
        block = tl.trans(block)
    return block


@triton.jit
def _store(x, tokens, channel, block, BLOCK: tl.constexpr, LAST: tl.constexpr):
    """Write ``(tokens, BLOCK)`` where it is inside."""
    pointers, mask = _place(x, tokens, channel, BLOCK, LAST)
    if not LAST:
        block = tl.trans(block)
    tl.store(pointers, block.to(x[0].dtype.element_ty), mask=mask)


@triton.jit
def _add_products(
    total, a, b, a_tokens, b_tokens, first, BLOCK: tl.constexpr, LAST: tl.constexpr, TYPE: tl.constexpr
):
    """Add the inner products of the tokens of two maps over the channels from ``first`` on."""
    for channel in range(first, a[1], BLOCK):
        x = _load(a, a_tokens, channel, BLOCK, LAST, TYPE)
        y = _load(b, b_tokens, channel, BLOCK, LAST, TYPE)
        total = tl.dot(x, tl.trans(y), total, input_precision='tf32x3')
    return total


@triton.jit
def _softmax(scores, inside):
    """Weights over the last axis, and the logarithm of their sum before normalisation."""
    scores = tl.where(inside[None, :], scores, float('-inf'))
    highest = tl.max(scores, 1)
    weights = tl.exp(scores - highest[:, None])
    total = tl.sum(weights, 1)
    return weights / total[:, None], highest + tl.log(total)


@triton.jit
def _forward(
    query,
    key,
    value,
    out,
    height,
    width,
    scale,
    WINDOW: tl.constexpr,
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    LAST: tl.constexpr,
    TYPE: tl.constexpr,
):
    part, sample, top, left = _window(height, width, WINDOW, TOKENS // ROWS)
    queries = _tokens(part * ROWS, sample, top, left, height, width, WINDOW, ROWS)
    keys = _tokens(0, sample, top, left, height, width, WINDOW, TOKENS)
    scores = tl.zeros((ROWS, TOKENS), tl.float32)
    scores = _add_products(scores, query, key, queries, keys, 0, BLOCK, LAST, TYPE)
    weights, _ = _softmax(scores * scale, keys[3])
    weights = weights.to(TYPE)
    for channel in range(0, value[1], BLOCK):
        v = _load(value, keys, channel, BLOCK, LAST, TYPE)
        _store(out, queries, channel, tl.dot(weights, v, input_precision='tf32x3'), BLOCK, LAST)


@triton.jit
def _backward_queries(
    query,
    key,
    value,
    grad,
    grad_query,
    grad_key,
    grad_value,
    logsum,
    mean,
    height,
    width,
    scale,
    WINDOW: tl.constexpr,
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    LAST: tl.constexpr,
    TYPE: tl.constexpr,
):
    """The queries' gradient; where they are all of the window's, the keys' and values' too."""
    WHOLE: tl.constexpr = TOKENS == ROWS
    part, sample, top, left = _window(height, width, WINDOW, TOKENS // ROWS)
    queries = _tokens(part * ROWS, sample, top, left, height, width, WINDOW, ROWS)
    keys = _tokens(0, sample, top, left, height, width, WINDOW, TOKENS)
    q = _load(query, queries, 0, BLOCK, LAST, TYPE)
    k = _load(key, keys, 0, BLOCK, LAST, TYPE)
    scores = tl.dot(q, tl.trans(k), input_precision='tf32x3')
    scores = _add_products(scores, query, key, queries, keys, BLOCK, BLOCK, LAST, TYPE)
    weights, logsums = _softmax(scores * scale, keys[3])
    slopes = tl.zeros((ROWS, TOKENS), tl.float32)  # of the weights, then of the scores
    for channel in range(0, value[1], BLOCK):
        g = _load(grad, queries, channel, BLOCK, LAST, TYPE)
        v = _load(value, keys, channel, BLOCK, LAST, TYPE)
        slopes = tl.dot(g, tl.trans(v), slopes, input_precision='tf32x3')
        if WHOLE:
            gv = tl.dot(tl.trans(weights.to(TYPE)), g, input_precision='tf32x3')
            _store(grad_value, keys, channel, gv, BLOCK, LAST)
    means = tl.sum(weights * slopes, 1)
    slopes = (weights * (slopes - means[:, None])).to(TYPE)
    if not WHOLE:
        position = (queries[0] * height + queries[1]) * width + queries[2]
        tl.store(logsum + position, logsums, mask=queries[3])
        tl.store(mean + position, means, mask=queries[3])
    for channel in range(0, query[1], BLOCK):
        if channel > 0:
            k = _load(key, keys, channel, BLOCK, LAST, TYPE)
        gq = tl.dot(slopes, k, input_precision='tf32x3') * scale
        _store(grad_query, queries, channel, gq, BLOCK, LAST)
        if WHOLE:
            if channel > 0:
                q = _load(query, queries, channel, BLOCK, LAST, TYPE)
            gk = tl.dot(tl.trans(slopes), q, input_precision='tf32x3') * scale
            _store(grad_key, keys, channel, gk, BLOCK, LAST)


@triton.jit
def _backward_keys(
    query,
    key,
    value,
    grad,
    grad_key,
    grad_value,
    logsum,
    mean,
    height,
    width,
    scale,
    WINDOW: tl.constexpr,
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    LAST: tl.constexpr,
    TYPE: tl.constexpr,
):
    """The gradients of some keys and values from all queries of the window; all is transposed."""
    part, sample, top, left = _window(height, width, WINDOW, TOKENS // ROWS)
    keys = _tokens(part * ROWS, sample, top, left, height, width, WINDOW, ROWS)
    queries = _tokens(0, sample, top, left, height, width, WINDOW, TOKENS)
    position = (queries[0] * height + queries[1]) * width + queries[2]
    logsums = tl.load(logsum + position, mask=queries[3], other=float('inf'))
    means = tl.load(mean + position, mask=queries[3], other=0.0)
    scores = tl.zeros((ROWS, TOKENS), tl.float32)
    scores = _add_products(scores, key, query, keys, queries, 0, BLOCK, LAST, TYPE)
    weights = tl.exp(scores * scale - logsums[None, :])
    slopes = tl.zeros((ROWS, TOKENS), tl.float32)
    for channel in range(0, value[1], BLOCK):
        v = _load(value, keys, channel, BLOCK, LAST, TYPE)
        g = _load(grad, queries, channel, BLOCK, LAST, TYPE)
        slopes = tl.dot(v, tl.trans(g), slopes, input_precision='tf32x3')
        gv = tl.dot(weights.to(TYPE), g, input_precision='tf32x3')
        _store(grad_value, keys, channel, gv, BLOCK, LAST)
    slopes = (weights * (slopes - means[None, :])).to(TYPE)
    for channel in range(0, query[1], BLOCK):
        q = _load(query, queries, channel, BLOCK, LAST, TYPE)
        gk = tl.dot(slopes, q, input_precision='tf32x3') * scale
        _store(grad_key, keys, channel, gk, BLOCK, LAST)


class WindowTriton(torch.autograd.Function):
    """``softmax(scale * Q K^T) V`` in every window of maps ``(N, C, H, W)``."""

    @staticmethod
    def forward(
        ctx, query: Tensor, key: Tensor, value: Tensor, window: int, scale: float
    ) -> Tensor:
        _check(query, key, value, window)
        ctx.save_for_backward(query, key, value)
        ctx.window, ctx.scale = window, scale
        out = torch.empty_like(value)
        _launch(_forward, [query, key, value, out], [], window, scale)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        grads = [torch.empty_like(x) for x in (query, key, value)]
        large = ctx.window**4 > SCORES
        samples, _, height, width = query.shape
        # of every query, for the second kernel: log of the sum, mean gradient of the weights
        shape = (2, samples, height, width) if large else (2, 0)
        left = query.new_empty(shape, dtype=torch.float32).unbind()
        maps = [query, key, value, grad]
        _launch(_backward_queries, [*maps, *grads], left, ctx.window, ctx.scale)
        if large:
            _launch(_backward_keys, [*maps, *grads[1:]], left, ctx.window, ctx.scale)
        return *grads, None, None


def _check(query: Tensor, key: Tensor, value: Tensor, window: int) -> None:
    if query.device.type != 'cuda' and not triton.knobs.runtime.interpret:
        raise ValueError(f"backend 'triton' runs on CUDA, not on {query.device}: use 'auto'")
    if not (query.dtype == key.dtype == value.dtype and value.dtype in _TYPES):
        raise ValueError(
            f"backend 'triton' takes maps of one type, float32, bfloat16 or float16, got "
            f"{query.dtype}, {key.dtype} and {value.dtype}: use 'auto'"
        )
    if window > MAX_WINDOW:
        raise ValueError(
            f"backend 'triton' takes windows of at most {MAX_WINDOW} pixels, got {window}: "
            f"use 'auto'"
        )


def _launch(
    kernel: triton.JITFunction, maps: list[Tensor], rest: list[Tensor], window: int, scale: float
) -> None:
    """Run a kernel with one program for every window of the maps, or for 64 of its positions."""
    samples, channels, height, width = maps[0].shape
    tokens = max(16, triton.next_power_of_2(window * window))  # 16 is the least that dot takes
    rows = min(tokens, SCORES // tokens)
    most = 64 if rows == tokens else 32
    block = min(most, max(16, triton.next_power_of_2(max(channels, maps[2].shape[1]))))
    kind = _TYPES[maps[0].dtype]
    if triton.knobs.runtime.interpret and kind == tl.bfloat16:
        kind = tl.float32  # the interpreter has no products of bfloat16
    windows = samples * triton.cdiv(height, window) * triton.cdiv(width, window)
    with torch.cuda.device_of(maps[0]):
        kernel[(windows * (tokens // rows),)](
            *((x, x.shape[1], *x.stride()) for x in maps),
            *rest,
            height,
            width,
            scale,
            WINDOW=window,
            TOKENS=tokens,
            ROWS=rows,
            BLOCK=block,
            LAST=maps[0].stride(1) == 1,
            TYPE=kind,
            num_warps=4,
            num_stages=1,
        )
