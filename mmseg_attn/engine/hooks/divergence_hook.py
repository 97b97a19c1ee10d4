"""Stop a training that diverges, before it writes a useless checkpoint."""

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

from ...errors import CheckpointError, DivergenceError


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stop training with one sentence when a loss or a weight is not finite.

    The hook checks the losses that MMEngine has logged and thereby copied to the host, so that it
    never waits for the device. With mixed precision a gradient that is not finite is normal, and
    its step is skipped; the loss is not scaled and must be finite.

    A finite loss may have a gradient that is not finite, which destroys the weights. So the weights
    are checked before they are used or saved: after every epoch, before every validation, and when
    a checkpoint is due, before ``CheckpointHook`` removes an old file.
    """

    priority = 'NORMAL'  # after RuntimeInfoHook, which logs, and before CheckpointHook

    def __init__(self) -> None:
        # Losses may be logged some iterations later: iteration, epoch and images, newest last.
        self._batches: deque[tuple[int, int, str]] = deque(maxlen=1000)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Check the losses, and the weights if a checkpoint is due.

        Raises:
            DivergenceError: If one is not finite.
        """
        self._batches.append((runner.iter + 1, runner.epoch + 1, _images(data_batch)))
        problems = []
        for name in outputs or {}:
            log = runner.message_hub.log_scalars.get(f'train/{name}')
            if 'loss' not in name or log is None:
                continue
            values = log.data[0][-len(self._batches) :]
            for age in (len(values) - np.flatnonzero(~np.isfinite(values)))[:1]:
                # report the oldest, and the sum of all losses only if no other one is wrong
                problems.append((-age, name == 'loss', name, values[-age]))
        if problems:
            age, _, name, value = min(problems)
            iteration, epoch, images = self._batches[age]
            raise DivergenceError(
                f'{name} is {value} in iteration {iteration} (epoch {epoch}), on {images}: '
                'training has diverged. Check these images, lower the learning rate or clip the '
                f'gradient (optim_wrapper.clip_grad). {_last_checkpoint(runner)}'
            )
        if any(_is_due(hook, runner) for hook in runner.hooks):
            check_weights(runner, iteration=runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Check the weights.

        Raises:
            DivergenceError: If one is not finite.
        """
        check_weights(runner, iteration=runner.iter)

    def before_val(self, runner: Runner) -> None:
        """Check the weights if the validation is part of a training.

        Raises:
            DivergenceError: If one is not finite.
        """
        if isinstance(runner._train_loop, BaseLoop):  # runner.iter would build the training set
            check_weights(runner, iteration=runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights before any hook saves them.

        Raises:
            DivergenceError: If one is not finite.
        """
        check_weights(runner, iteration=runner.iter)


def check_weights(runner: Runner, *, iteration: int) -> None:
    """Check all weights of the model.

    Args:
        runner: The runner.
        iteration: Number of iterations that are done.

    Raises:
        DivergenceError: If one is not finite.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    name = first_not_finite(model)
    if name is not None:
        raise DivergenceError(
            f'{name} is not finite after iteration {iteration} although the losses were: a '
            'gradient was not finite, and training has diverged. Lower the learning rate or clip '
            f'the gradient (optim_wrapper.clip_grad). {_last_checkpoint(runner)}'
        )


def check_finite_weights(model: nn.Module, name: str = 'the checkpoint') -> None:
    """Check the weights of a model that predicts.

    Args:
        model: The model.
        name: The checkpoint, for messages.

    Raises:
        CheckpointError: If a weight is not finite.
    """
    weight = first_not_finite(model)
    if weight is not None:
        raise CheckpointError(
            f'{name} contains values that are not finite ({weight}), so its training has diverged: '
            'name an earlier checkpoint'
        )


def first_not_finite(model: nn.Module) -> str | None:
    """Return the name of the first weight that is not finite; wait for the device once.

    Buffers may contain infinities on purpose, so only NaN counts for them.
    """
    flags: dict[str, torch.Tensor] = {
        name: value.detach().isfinite().all() for name, value in model.named_parameters()
    }
    flags |= {
        name: ~value.isnan().any()
        for name, value in model.named_buffers()
        if value.is_floating_point()
    }
    if not flags:
        return None
    finite = torch.stack([flag.to(next(iter(flags.values())).device) for flag in flags.values()])
    return next((name for name, ok in zip(flags, finite.tolist(), strict=True) if not ok), None)


def _is_due(hook: Hook, runner: Runner) -> bool:
    if not isinstance(hook, CheckpointHook) or hook.by_epoch:
        return False
    start = [hook.save_begin] if hasattr(hook, 'save_begin') else []  # MMEngine 0.8.3 and newer
    if hook.every_n_train_iters(runner, hook.interval, *start):
        return True
    return hook.save_last and hook.is_last_train_iter(runner)


def _images(data_batch: Any) -> str:
    samples = data_batch.get('data_samples', []) if isinstance(data_batch, Mapping) else []
    names = [str(name) for sample in samples if (name := getattr(sample, 'img_path', None))]
    return ', '.join(names) or 'images without a name'


def _last_checkpoint(runner: Runner) -> str:
    """Say which is the newest checkpoint.

    MMEngine records the name of a checkpoint before it writes it, so the file must exist.
    """
    recorded = runner.message_hub.runtime_info
    for key in ('last_ckpt', *(key for key in recorded if key.startswith('best_ckpt'))):
        if recorded.get(key) and Path(recorded[key]).exists():
            return f'The last good checkpoint is {recorded[key]}.'
    return 'No checkpoint was written before.'
