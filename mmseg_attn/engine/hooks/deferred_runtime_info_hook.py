"""Losses for the log, fetched from the device when somebody reads them."""

from typing import Any

import torch
from mmengine.hooks import CheckpointHook, LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """MMEngine's ``RuntimeInfoHook``, which waits for the device once per log line.

    The original fetches every loss in every iteration, and a GPU that is waited for has nothing to
    do until the next kernel comes. Here the losses stay where they are until ``LoggerHook`` prints,
    a checkpoint or a validation is due, or an epoch ends. The log is the same. ``DivergenceHook``
    sees a loss that is not finite when it is fetched.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[dict[str, Any]] = []

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Keep the losses; fetch them if they are read in this iteration."""
        self._waiting.append(
            {k: v.detach() if isinstance(v, Tensor) else v for k, v in (outputs or {}).items()}
        )
        if self.end_of_epoch(runner.train_dataloader, batch_idx) or any(
            (isinstance(hook, LoggerHook) and self.every_n_inner_iters(batch_idx, hook.interval))
            or (
                isinstance(hook, CheckpointHook)
                and not hook.by_epoch
                and self.every_n_train_iters(runner, hook.interval)
            )
            for hook in runner.hooks
        ):
            self._fetch(runner)

    def before_val(self, runner: Runner) -> None:
        """Fetch what is left; a validation by iterations may come before the log line."""
        self._fetch(runner)
        super().before_val(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Fetch what is left."""
        self._fetch(runner)

    def _fetch(self, runner: Runner) -> None:
        waiting, self._waiting = self._waiting, []
        places = [(i, key) for i, kept in enumerate(waiting) for key in kept]
        tensors = [p for p in places if isinstance(waiting[p[0]][p[1]], Tensor)]
        if tensors:
            values = torch.stack([waiting[i][key].float().squeeze() for i, key in tensors])
            for (i, key), value in zip(tensors, values.tolist(), strict=True):
                waiting[i][key] = value
        for i, key in places:
            runner.message_hub.update_scalar(f'train/{key}', waiting[i][key])
