"""Fetch the losses from the device only when they are logged."""

from typing import Any

import torch
from mmengine.hooks import CheckpointHook, LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """Log like MMEngine's ``RuntimeInfoHook``, but wait for the device once per log line only.

    The original fetches every loss in every iteration, and ``OptimWrapper`` the norm of clipped
    gradients; meanwhile the GPU is idle until the next step. Here these values stay on the device
    until ``LoggerHook`` prints, a checkpoint or a validation is due, or an epoch ends. The log is
    the same, and ``DivergenceHook`` checks each loss when it is fetched.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[dict[str, Any]] = []
        self._norms: dict[str, Tensor] = {}  # of this iteration

    def before_train(self, runner: Runner) -> None:
        """Let the optimizer wrapper keep the norm of the gradients on the device."""
        super().before_train(runner)
        wrapper = runner.optim_wrapper
        if getattr(wrapper, 'clip_func', None) is nn.utils.clip_grad_norm_:
            wrapper.clip_func = self._clip

    def _clip(self, *args: Any, **kwargs: Any) -> None:
        self._norms = dict(grad_norm=nn.utils.clip_grad_norm_(*args, **kwargs))

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Keep the losses on the device; fetch them if they are read in this iteration."""
        values, self._norms = self._norms | (outputs or {}), {}
        self._waiting.append(
            {k: v.detach() if isinstance(v, Tensor) else v for k, v in values.items()}
        )
        if (
            self.end_of_epoch(runner.train_dataloader, batch_idx)
            or self.is_last_train_iter(runner)
            or any(_reads(hook, runner, batch_idx) for hook in runner.hooks)
        ):
            self._fetch(runner)

    def before_val(self, runner: Runner) -> None:
        """Fetch the remaining losses; a validation by iterations may come before the log line."""
        self._fetch(runner)
        super().before_val(runner)

    def _fetch(self, runner: Runner) -> None:
        waiting, self._waiting = self._waiting, []
        entries = [
            (losses, name)
            for losses in waiting
            for name in losses
            if isinstance(losses[name], Tensor)
        ]
        if entries:  # one transfer for all
            values = torch.stack([losses[name].double().reshape(()) for losses, name in entries])
            for (losses, name), value in zip(entries, values.tolist(), strict=True):
                losses[name] = value
        for losses in waiting:
            for name, value in losses.items():
                runner.message_hub.update_scalar(f'train/{name}', value)


def _reads(hook: Any, runner: Runner, batch_idx: int) -> bool:
    """Tell whether a hook reads the losses after this iteration."""
    if isinstance(hook, LoggerHook):
        return hook.every_n_inner_iters(batch_idx, hook.interval)
    return (
        isinstance(hook, CheckpointHook)
        and not hook.by_epoch
        and hook.every_n_train_iters(runner, hook.interval)
    )
