"""Build the alternatives to the attention functions, and check results."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harness import Contender

# relative to the largest value; for 16 bits two units in the last place
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2**-9, torch.bfloat16: 2**-5}


def results(out: Tensor, inputs: Sequence[Tensor], upstream: Tensor) -> tuple[Tensor, ...]:
    """Return the output and, if required, the gradients of the inputs."""
    if not out.requires_grad:
        return (out,)
    return out, *torch.autograd.grad(out, inputs, upstream)


def same_as(expected: Sequence[Tensor], tolerance: float) -> Callable[[Sequence[Tensor]], None]:
    """Return a check of results, with a tolerance relative to the largest value."""

    def check(actual: Sequence[Tensor]) -> None:
        for i, (x, y) in enumerate(zip(actual, expected, strict=True)):
            if x.shape != y.shape:
                raise ValueError(
                    f'result {i} has the shape {tuple(x.shape)} instead of {tuple(y.shape)}'
                )
            off = ((x.float() - y).abs().max() / y.abs().max()).item()
            if not off <= tolerance:
                raise ValueError(f'result {i} is off by {off:.2g} of the largest value')

    return check


def unfold(
    maps: Sequence[Tensor],
    upstream: Tensor,
    window: int,
    scale: float,
    check: Callable[[Sequence[Tensor]], None],
) -> Contender:
    """Return window attention with ``F.unfold`` and ``F.fold``."""
    height, width = upstream.shape[2:]
    missing = (0, -width % window, 0, -height % window)

    def windows(x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, L, m*m, C)
        columns = F.unfold(F.pad(x, missing), window, stride=window)
        return columns.unflatten(1, (x.shape[1], -1)).permute(0, 3, 2, 1)

    def call() -> tuple[Tensor, ...]:
        query, key, value = (windows(x) for x in maps)
        outside = windows(upstream.new_ones(1, 1, height, width)).mT == 0
        scores = (scale * query @ key.mT).masked_fill(outside, float('-inf'))
        columns = (scores.softmax(dim=-1) @ value).permute(0, 3, 2, 1).flatten(1, 2)
        size = height + missing[3], width + missing[1]
        out = F.fold(columns, size, window, stride=window)[..., :height, :width]
        return results(out, maps, upstream)

    return Contender('unfold', lambda: call, check)


def convolution(x: Tensor, upstream: Tensor) -> Contender:
    """Return a 3x3 convolution, checked in a corner against products of shifted maps."""
    channels, layout = x.shape[1], x.is_contiguous()
    conv = nn.Conv2d(channels, channels, 3, padding=1).to(x.device, x.dtype)
    if not layout:
        conv = conv.to(memory_format=torch.channels_last)
    conv.requires_grad_(x.requires_grad)

    def check(actual: Sequence[Tensor]) -> None:
        side = min(8, x.shape[2])
        padded = F.pad(x.detach().double(), (1, 1, 1, 1))
        expected = conv.bias.detach().double()[:, None, None] + sum(
            torch.einsum(
                'oc,nchw->nohw',
                conv.weight.detach().double()[:, :, i, j],
                padded[:, :, i : i + side, j : j + side],
            )
            for i in range(3)
            for j in range(3)
        )
        corner = actual[0].detach()[:, :, :side, :side]
        same_as([expected.float()], 10 * TOLERANCE[x.dtype])([corner])

    def build() -> Callable[[], tuple[Tensor, ...]]:
        return lambda: results(conv(x), (x, *conv.parameters()), upstream)

    return Contender('3x3 convolution', build, check)


def copy(maps: Sequence[Tensor], moved: int) -> Contender:
    """Return a copy that reads and writes the bytes of ``moved`` maps."""
    sources = [x.detach() for x in maps]

    def build() -> Callable[[], list[Tensor]]:
        targets = [torch.empty_like(x) for x in sources]
        pairs = [(targets[i % 3], sources[i % 3]) for i in range(moved // 2)]
        if moved % 2:  # the rest is half a map
            half = sources[0].shape[2] // 2
            pairs.append((targets[0][:, :, :half], sources[0][:, :, :half]))

        def call() -> list[Tensor]:
            for target, source in pairs:
                target.copy_(source)
            return targets[: moved // 2]

        return call

    return Contender('copy', build, same_as([x.float() for x in sources[: moved // 2]], 0.0))
