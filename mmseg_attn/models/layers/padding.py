"""Zeros at the bottom and at the right, where a side is too short."""

import torch.nn.functional as F
from torch import Tensor

from mmseg_attn.compat.tracing import is_exporting


def pad_end(x: Tensor, bottom: int, right: int) -> Tensor:
    """Pad ``x``, ``(N, C, H, W)``, to ``(N, C, H + bottom, W + right)`` with zeros.

    An exported model takes any size: there the padding is always part of the graph.
    """
    if is_exporting() or bottom or right:
        return F.pad(x, (0, right, 0, bottom))
    return x
