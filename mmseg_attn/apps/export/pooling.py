"""Averages over parts of a map whose size is a variable, as PSPNet's pooling pyramid takes them.

ONNX has no adaptive pooling, and PyTorch's way into it loops over the parts of one fixed size. Here
the borders of the parts are arithmetic on the size, and the averages are two matrix products.
"""

import copy

import torch
from torch import Tensor, nn


class PartAverages(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as matrix products, for exported models of any size.

    Part i of P covers the pixels from ``floor(i H / P)`` to before ``ceil((i + 1) H / P)``.

    Args:
        parts: number of parts of a column and of a row.
    """

    def __init__(self, parts: tuple[int, int]):
        super().__init__()
        self.parts = parts

    def forward(self, x: Tensor) -> Tensor:
        """Average ``x``, ``(N, C, H, W)``, over its parts: ``(N, C, *parts)``."""
        rows, columns = (
            _weights(side, parts, x) for side, parts in zip(x.shape[2:], self.parts, strict=True)
        )
        return rows @ x @ columns.mT


def _weights(side: int, parts: int, like: Tensor) -> Tensor:
    """Return the share of every pixel in every part's average, ``(parts, side)``."""
    pixel = torch.arange(side, device=like.device)
    part = torch.arange(parts, device=like.device)[:, None]
    start, stop = part * side // parts, ((part + 1) * side + parts - 1) // parts
    inside = (pixel >= start) & (pixel < stop)
    return inside.to(like.dtype) / (stop - start)


def with_exportable_pools(model: nn.Module) -> nn.Module:
    """Return the model, or a copy of it with ``PartAverages`` where it averages over parts."""
    found = {
        name: parts
        for name, layer in model.named_modules()
        if isinstance(layer, nn.AdaptiveAvgPool2d)
        and None not in (parts := _pair(layer.output_size))
        and parts != (1, 1)
    }
    if found:
        model = copy.deepcopy(model)
        for name, parts in found.items():
            model.set_submodule(name, PartAverages(parts))
    return model


def _pair(size: int | tuple[int | None, int | None] | None) -> tuple[int | None, int | None]:
    return tuple(size) if isinstance(size, tuple | list) else (size, size)
