"""Use the channels-last memory format on the CPU, where it is faster."""

import torch
from torch import Tensor

from ...compat.tracing import is_compiling


def channels_last_on_cpu(x: Tensor) -> Tensor:
    """Copy images on the CPU to the channels-last memory format.

    All later layers keep the format: PyTorch's convolutions on the CPU then need not convert every
    map and back, and normalization and pooling take half the time or less. On a GPU the best format
    depends on the precision, and the weights decide. Compilers choose it themselves.

    Args:
        x: Images ``(N, C, H, W)``.

    Returns:
        The images, of the same shape.
    """
    if x.device.type != 'cpu' or is_compiling() or torch.jit.is_tracing():
        return x
    return x.clone(
        memory_format=torch.channels_last
    )  # contiguous() would not change a single channel
