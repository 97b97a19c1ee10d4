"""Save fused and channels-last optimizers so that any training can resume from them."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor
from torch.optim import Optimizer


@HOOKS.register_module()
class PortableOptimizerHook(Hook):
    """Save the optimizer independent of ``fused`` and memory format, and restore it for the model.

    PyTorch saves whether an optimizer is fused, and its moving averages in the memory format of the
    weights; a resumed training inherits both. A fused optimizer assumes that averages and weights
    have the same memory format: if they differ, it updates a weight by the gradient of another one.
    It counts its steps on the GPU, and an optimizer that is not fused on the CPU. MMEngine loads
    everything to the GPU, where reading the step of each weight would wait for the device.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the state as that of an optimizer that is not fused, in contiguous format."""
        saved = checkpoint.get('optimizer')
        if _optimizer(runner) is None or not saved:
            return
        state = {
            index: {name: _ordered(value) for name, value in values.items()}
            for index, values in saved['state'].items()
        }
        groups = [
            dict(group, fused=None) if 'fused' in group else group
            for group in saved['param_groups']
        ]
        checkpoint['optimizer'] = dict(saved, state=state, param_groups=groups)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep ``fused`` as the config sets it."""
        optimizer, saved = _optimizer(runner), checkpoint.get('optimizer')
        if optimizer is None or not isinstance(saved, dict):
            return
        if 'fused' in optimizer.defaults:
            fused = dict(fused=optimizer.defaults['fused'])
            groups = [dict(group, **fused) for group in saved.get('param_groups', [])]
            checkpoint['optimizer'] = dict(saved, param_groups=groups)

    def before_train(self, runner: Runner) -> None:
        """Restore device and memory format of the state of a resumed optimizer."""
        optimizer = _optimizer(runner)
        if optimizer is not None:
            match_layout(optimizer)


def match_layout(optimizer: Optimizer) -> None:
    """Give the averages the memory format of the weights, and move the steps to their device."""
    for group in optimizer.param_groups:
        on_device = group.get('fused') or group.get('capturable')
        for weight in group['params']:
            step = optimizer.state[weight].get('step') if weight in optimizer.state else None
            if isinstance(step, Tensor):
                optimizer.state[weight]['step'] = step.to(weight.device if on_device else 'cpu')
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if (
                isinstance(value, Tensor)
                and value.shape == weight.shape
                and value.stride() != weight.stride()
            ):
                state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _optimizer(runner: Runner) -> Optimizer | None:
    """Return the optimizer; ``None`` if there are several."""
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    return optimizer if isinstance(optimizer, Optimizer) else None


def _ordered(value: Any) -> Any:
    return value.contiguous() if isinstance(value, Tensor) else value
