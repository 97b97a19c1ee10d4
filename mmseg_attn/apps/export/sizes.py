"""Find the image sizes that an exported model supports, from strides and kernels of its layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDES = range(33, 258, 32)  # candidates for the smallest side; strides are powers of two
SHRINK = nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d


def smallest_side(module: nn.Module, in_channels: int) -> int:
    """Find the smallest side for which no layer reduces several rows or columns to one.

    A side of 1 is a special case for PyTorch because of broadcasting: a program that was traced
    with a longer side is not valid for it.

    Args:
        module: A module that takes ``(N, in_channels, H, W)``.
        in_channels: Number of channels of the images.

    Returns:
        The side in pixels; the smallest candidate if a layer always does so, as for pooling to a
        fixed size.
    """
    for side in SIDES:
        if _keeps_sides(module, torch.zeros(1, in_channels, side, side)):
            return side
    return SIDES[0]


def sample(smallest: int) -> tuple[int, int, int]:
    """Return batch size, height and width of the traced image; no stride divides the sides."""
    return 2, smallest + 74, smallest + 60


def _keeps_sides(module: nn.Module, image: Tensor) -> bool:
    collapsed: list[nn.Module] = []

    def note(layer: nn.Module, inputs: tuple, output: Tensor | tuple[Tensor, Tensor]) -> None:
        output = output[0] if isinstance(output, tuple) else output  # a pool's indices come second
        sides = zip(inputs[0].shape[2:], output.shape[2:], strict=True)
        if any(before > 1 and after == 1 for before, after in sides):
            collapsed.append(layer)

    hooks = [x.register_forward_hook(note) for x in module.modules() if isinstance(x, SHRINK)]
    try:
        with torch.no_grad():
            module(image)
    except RuntimeError:  # a kernel is larger than its feature map
        return False
    finally:
        for hook in hooks:
            hook.remove()
    return not collapsed
