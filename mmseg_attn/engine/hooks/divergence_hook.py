"""Training that diverges stops, and leaves no checkpoint that is worth nothing."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS
from torch import nn

from ...errors import DivergenceError


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stops training with one sentence when a loss or a weight is not finite.

    The losses are those that MMEngine has logged and thereby moved to the host, so that looking at
    each of them waits for nothing. With mixed precision a gradient that is not finite is normal,
    and its step is left out; the loss is not scaled and must be finite.

    A finite loss may have a gradient that is not, which spoils the weights behind it. So the
    weights are looked at before they are kept: after every epoch, before every validation, and
    when a checkpoint is due. That happens before ``CheckpointHook`` acts, which removes an old file
    first.
    """

    priority = 'NORMAL'  # after RuntimeInfoHook, which logs, and before CheckpointHook

    def __init__(self) -> None:
        # Losses may be logged some iterations later: what these were, newest last.
        self._batches: deque[tuple[int, int, str]] = deque(maxlen=1000)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at the losses, and at the weights if a checkpoint is due.

        Raises:
            DivergenceError: If one is not finite.
        """
        self._batches.append((runner.iter + 1, runner.epoch + 1, _images(data_batch)))
        found = []
        for name in outputs or {}:
            log = runner.message_hub.log_scalars.get(f'train/{name}')
            if 'loss' not in name or log is None:
                continue
            values = log.data[0][-len(self._batches) :]
            for age in (len(values) - np.flatnonzero(~np.isfinite(values)))[:1]:
                # of the oldest the first by name, and the sum of the others last
                found.append((-age, name == 'loss', name, values[-age]))
        if found:
            age, _, name, value = min(found)
            iteration, epoch, images = self._batches[age]
            raise DivergenceError(
                f'{name} is {value} in iteration {iteration} (epoch {epoch}), on {images}: '
                'training has diverged; look at these images, lower the learning rate or clip the '
                f'gradient (optim_wrapper.clip_grad). {_last_checkpoint(runner)}'
            )
        if any(_is_due(hook, runner) for hook in runner.hooks):
            check_weights(runner, iteration=runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the weights.

        Raises:
            DivergenceError: If one is not finite.
        """
        check_weights(runner, iteration=runner.iter)

    def before_val(self, runner: Runner) -> None:
        """Look at the weights in the middle of a training.

        Raises:
            DivergenceError: If one is not finite.
        """
        if isinstance(runner._train_loop, BaseLoop):  # runner.iter would build the training set
            check_weights(runner, iteration=runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at the weights, whoever writes them.

        Raises:
            DivergenceError: If one is not finite.
        """
        check_weights(runner, iteration=runner.iter)


def check_weights(runner: Runner, *, iteration: int) -> None:
    """Look at all weights of the model.

    Args:
        runner: The runner.
        iteration: How many iterations are done.

    Raises:
        DivergenceError: If one is not finite.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    name = first_not_finite(model)
    if name is not None:
        raise DivergenceError(
            f'{name} is not finite after iteration {iteration} although the losses were: a '
            'gradient was not, and training has diverged; lower the learning rate or clip the '
            f'gradient (optim_wrapper.clip_grad). {_last_checkpoint(runner)}'
        )


def first_not_finite(model: nn.Module) -> str | None:
    """Return the name of the first weight that is not finite; waits for the device once.

    Buffers may hold infinities on purpose and must only hold no NaN.
    """
    flags: dict[str, torch.Tensor] = {
        name: each.detach().isfinite().all() for name, each in model.named_parameters()
    }
    flags |= {
        name: ~each.isnan().any()
        for name, each in model.named_buffers()
        if each.is_floating_point()
    }
    if not flags:
        return None
    fine = torch.stack([flag.to(next(iter(flags.values())).device) for flag in flags.values()])
    return next((name for name, ok in zip(flags, fine.tolist(), strict=True) if not ok), None)


def _is_due(hook: Hook, runner: Runner) -> bool:
    if not isinstance(hook, CheckpointHook) or hook.by_epoch:
        return False
    start = [hook.save_begin] if hasattr(hook, 'save_begin') else []  # MMEngine 0.8.3 and newer
    if hook.every_n_train_iters(runner, hook.interval, *start):
        return True
    return hook.save_last and hook.is_last_train_iter(runner)


def _images(data_batch: Any) -> str:
    samples = data_batch.get('data_samples', []) if isinstance(data_batch, Mapping) else []
    names = [str(name) for each in samples if (name := getattr(each, 'img_path', None))]
    return ', '.join(names) or 'images without a name'


def _last_checkpoint(runner: Runner) -> str:
    """Name the newest file with weights from before.

    MMEngine notes the name of a checkpoint before it writes it, so the file must be there.
    """
    noted = runner.message_hub.runtime_info
    for key in ('last_ckpt', *(key for key in noted if key.startswith('best_ckpt'))):
        if noted.get(key) and Path(noted[key]).exists():
            return f'The last good checkpoint is {noted[key]}.'
    return 'No checkpoint was written before.'
