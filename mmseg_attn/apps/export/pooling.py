"""Average parts of a feature map of variable size, as PSPNet's pooling pyramid does.

ONNX has no adaptive pooling, and PyTorch exports it as a loop over the parts for one fixed size.
Here, the borders of the parts are computed from the size, and the averages are two matrix products.
"""

import torch
from torch import Tensor, nn


class PartAverages(nn.Module):
    """Replace ``nn.AdaptiveAvgPool2d`` by matrix products, for exported models of any size.

    Part i of P covers the pixels from ``floor(i H / P)`` to ``ceil((i + 1) H / P) - 1``.

    Args:
        parts: Number of parts of a column and of a row.
    """

    def __init__(self, parts: tuple[int, int]):
        super().__init__()
        self.parts = parts

    @classmethod
    def of(cls, layer: nn.AdaptiveAvgPool2d) -> 'PartAverages':
        """Make the replacement of a layer."""
        return cls(_pair(layer.output_size))

    def forward(self, x: Tensor) -> Tensor:
        """Average ``x``, ``(N, C, H, W)``, over its parts: ``(N, C, *parts)``."""
        rows, columns = (
            _weights(side, parts, x) for side, parts in zip(x.shape[2:], self.parts, strict=True)
        )
        return rows @ x @ columns.mT


def _weights(side: int, parts: int, like: Tensor) -> Tensor:
    """Return the weight of each pixel in the average of each part, ``(parts, side)``."""
    pixel = torch.arange(side, device=like.device)
    part = torch.arange(parts, device=like.device)[:, None]
    start, stop = part * side // parts, ((part + 1) * side + parts - 1) // parts
    inside = (pixel >= start) & (pixel < stop)
    return inside.to(like.dtype) / (stop - start)


def averages_parts(layer: nn.Module) -> bool:
    """Return whether a layer averages a fixed number of parts, and more than one."""
    if not isinstance(layer, nn.AdaptiveAvgPool2d):
        return False
    parts = _pair(layer.output_size)
    return None not in parts and parts != (1, 1)


def _pair(size: int | tuple[int | None, int | None] | None) -> tuple[int | None, int | None]:
    return tuple(size) if isinstance(size, tuple | list) else (size, size)
