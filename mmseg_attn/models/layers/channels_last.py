"""The order of a map's values in memory, which decides how fast the CPU is."""

import torch
from torch import Tensor

from ...compat.tracing import is_compiling


def channels_last_on_cpu(x: Tensor) -> Tensor:
    """Copy images so that each pixel's channels lie side by side; only on the CPU.

    All that follows keeps the order: PyTorch's convolutions on the CPU then need not bring every
    map into an order of theirs and back, and normalization and pooling take half the time or less.
    On a GPU, where it depends on the precision, the weights' order decides. Compilers choose
    themselves.

    Args:
        x: ``(N, C, H, W)``.
    """
    if x.device.type != 'cpu' or is_compiling() or torch.jit.is_tracing():
        return x
    return x.clone(memory_format=torch.channels_last)  # contiguous() leaves one channel as it is
