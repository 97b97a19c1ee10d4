"""What a resumed training needs, beyond MMEngine's, to do what the killed one would have done."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from ..datasets.nested_datasets import nested_datasets
from .random_state import WorkerSeed, random_state, set_random_state


class Continuation:
    """Takes along the state of the random numbers, and catches up with a lost validation.

    MMEngine restores model, optimizer, schedules and logs. Without this, random numbers start
    anew, and the validation after the checkpoint, with its chance of a best score, never happens.

    Attributes:
        state: What :meth:`now` has returned for the checkpoint that is resumed; ``None`` if the
            training starts anew or the checkpoint was made without it.
    """

    def __init__(self) -> None:
        self.state: Any = None
        self._worker_seed: WorkerSeed | None = None

    def now(self, *, validated: bool) -> dict[str, Any]:
        """The state for a checkpoint; to be called on every rank.

        Args:
            validated: Whether the validation that may be due after this step is done.
        """
        return dict(random=all_gather_object(random_state()), validated=validated)

    def start(self, runner: Runner) -> None:
        """Prepare the loaders; where a training is resumed, restore and catch up."""
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop) and loop.dataloader.num_workers:
            # An IterBasedTrainLoop has its workers by now; it loads again what was used before.
            self._seed_workers(runner)
        # A loader draws a number whenever it starts to iterate, which an interruption makes happen
        # more often: that must not move the numbers that the model draws.
        for each in (loop, runner.val_loop):
            if each is not None:
                each.dataloader.generator = torch.Generator().manual_seed(runner.seed + loop.iter)
        if self.state is None:
            return
        state, self.state = self.state, None
        try:
            set_random_state(state['random'][get_rank()])
            validated = bool(state['validated'])
        except Exception as error:  # the file is not trusted
            runner.logger.warning(f'The random numbers start anew, not as saved: {error!r}')
            return
        if not validated and _validation_is_due(runner):
            runner.logger.info('The validation after this checkpoint is done now')
            runner.val_loop.run()
        if isinstance(loop, IterBasedTrainLoop):
            loop.dataloader_iterator = _Restored(
                loop.dataloader_iterator,
                steps=0 if getattr(loop, 'fast_forward_on_resume', False) else loop.iter,
            )

    def start_epoch(self, runner: Runner) -> None:
        """Tell the workers the epoch."""
        if self._worker_seed is not None:
            self._worker_seed.epoch.fill_(runner.epoch)

    def _seed_workers(self, runner: Runner) -> None:
        self._worker_seed = WorkerSeed(runner.seed)
        for dataset in nested_datasets(runner.train_loop.dataloader.dataset):
            transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
            if isinstance(transforms, list):
                transforms.insert(0, self._worker_seed)


def _validation_is_due(runner: Runner) -> bool:
    """Whether MMEngine's loops would have validated at the step that they stand at."""
    loop = runner.train_loop
    if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop | IterBasedTrainLoop):
        return False
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    step, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    loop._decide_current_val_interval()
    return step >= loop.val_begin and (step % loop.val_interval == 0 or step == last)


class _Restored:
    """The batches of an ``IterBasedTrainLoop``, which begins with going past those before.

    The random numbers are put back behind them. MMEngine 0.10 loads these batches again; its fork
    skips them, and workers then draw other numbers than they would have.
    """

    def __init__(self, batches: Any, steps: int) -> None:
        self._batches, self._left, self._state = batches, steps, random_state()

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        if self._left == 0:
            set_random_state(self._state)
        self._left -= 1
        return next(self._batches)

    def skip_iter(self, steps: int) -> None:
        """Called by the fork instead of ``steps`` calls of ``next``."""
        self._batches.skip_iter(steps)
        self._left = 0
