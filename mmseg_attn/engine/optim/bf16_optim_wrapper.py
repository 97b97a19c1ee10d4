"""Train in mixed precision with bfloat16, on GPUs and CPUs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.utils import digit_version
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn

CPUINFO = Path('/proc/cpuinfo')


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """Run the forward pass under autocast to bfloat16, otherwise like MMEngine's ``OptimWrapper``.

    bfloat16 has the range of float32: the loss is not scaled, so no step is skipped and none waits
    for the device to report an overflow. Weights, gradients and optimizer stay in float32.
    MMEngine's ``AmpOptimWrapper`` scales the loss, uses float16 by default, and does not run on the
    CPU.

    On a processor without instructions for bfloat16, where it is slower than float32, it logs a
    warning and computes in float32.

    Args:
        args: Positional arguments of ``OptimWrapper``.
        kwargs: Keyword arguments of ``OptimWrapper``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._enabled: bool | None = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter autocast on the device of the model."""
        device = next(model.parameters()).device
        if self._enabled is None:
            self._enabled = has_bfloat16(device)
            if not self._enabled:
                name, remedy = 'CPU', ''
                if device.type == 'cuda':
                    name, remedy = 'GPU', '; --amp trains in float16'
                print_log(
                    f'Training is in float32: this {name} has no instructions for bfloat16, so '
                    f'bfloat16 would be slower{remedy}',
                    logger='current',
                    level=logging.WARNING,
                )
        with super().optim_context(model):
            if not self._enabled:
                yield
                return
            with torch.autocast(device.type, dtype=torch.bfloat16):
                yield


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a CPU or an NVIDIA GPU has instructions for bfloat16 matrix products.

    Args:
        device: The device. PyTorch before 2.10 does not know the instructions of a CPU; then they
            are read from ``/proc/cpuinfo``, and on systems other than Linux the result is false.
            On a GPU it is false with PyTorch 2.0, which cannot resize bfloat16 maps.
    """
    if device.type == 'cuda':
        resizes = digit_version(torch.__version__) >= digit_version('2.1')
        return resizes and torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != 'cpu':
        return False
    if hasattr(torch.cpu, 'get_capabilities'):
        names = [name for name, there in torch.cpu.get_capabilities().items() if there]
    else:
        names = CPUINFO.read_text().split() if CPUINFO.is_file() else []
    return any('bf16' in name for name in names)
