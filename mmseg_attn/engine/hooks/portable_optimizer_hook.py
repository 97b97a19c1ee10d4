"""Optimizers that are fused or channels-last, in checkpoints that any training can resume."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor
from torch.optim import Optimizer


@HOOKS.register_module()
class PortableOptimizerHook(Hook):
    """Keeps how the optimizer works out of the checkpoints, and lays its state out as the weights.

    PyTorch saves whether an optimizer is fused, and its averages in the order that the weights have
    in memory; who resumes inherits both. A fused optimizer goes by memory alone: where its averages
    are in another order than the weights, it updates each weight by another one's gradients. It
    counts its steps on the GPU, and one that is not fused on the CPU. MMEngine loads all to the
    GPU, and would wait for the steps of each weight there.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the optimizer as one that is not fused, of weights in PyTorch's usual order."""
        saved = checkpoint.get('optimizer')
        if _optimizer(runner) is None or not saved:
            return
        state = {
            index: {name: _ordered(value) for name, value in each.items()}
            for index, each in saved['state'].items()
        }
        groups = [
            dict(group, fused=None) if 'fused' in group else group
            for group in saved['param_groups']
        ]
        checkpoint['optimizer'] = dict(saved, state=state, param_groups=groups)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Leave the optimizer as it was built."""
        optimizer, saved = _optimizer(runner), checkpoint.get('optimizer')
        if optimizer is None or not isinstance(saved, dict):
            return
        if 'fused' in optimizer.defaults:
            fused = dict(fused=optimizer.defaults['fused'])
            groups = [dict(group, **fused) for group in saved.get('param_groups', [])]
            checkpoint['optimizer'] = dict(saved, param_groups=groups)

    def before_train(self, runner: Runner) -> None:
        """Bring the state of a resumed optimizer to where and how it would be without a resume."""
        optimizer = _optimizer(runner)
        if optimizer is not None:
            match_layout(optimizer)


def match_layout(optimizer: Optimizer) -> None:
    """Lay the averages of an optimizer out like the weights; put its steps where it counts them."""
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
    """The optimizer of a training that has a single one."""
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    return optimizer if isinstance(optimizer, Optimizer) else None


def _ordered(value: Any) -> Any:
    return value.contiguous() if isinstance(value, Tensor) else value
