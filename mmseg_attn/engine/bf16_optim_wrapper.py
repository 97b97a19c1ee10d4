"""Mixed precision with bfloat16, on GPUs and on CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """MMEngine's ``OptimWrapper`` with the forward pass under autocast to bfloat16.

    bfloat16 has the range of float32: no loss is scaled, so no step is left out and none waits for
    the device to tell whether it overflowed. Weights, gradients and optimizer stay in float32.
    MMEngine's ``AmpOptimWrapper`` scales, in float16 unless told otherwise, and refuses the CPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast on the device of the model."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
