"""Pad maps with zeros at the bottom and the right."""

import torch.nn.functional as F
from torch import Tensor

from mmseg_attn.compat.tracing import is_exporting


def pad_end(x: Tensor, bottom: int, right: int) -> Tensor:
    """Pad ``x``, ``(N, C, H, W)``, to ``(N, C, H + bottom, W + right)`` with zeros.

    In an exported model, which supports any size, the padding is always part of the graph.
    """
    if is_exporting() or bottom or right:
        return F.pad(x, (0, right, 0, bottom))
    return x
