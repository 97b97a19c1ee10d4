"""What a resumed training needs, beyond MMEngine's, to do what the killed one would have done."""

from collections.abc import Iterator
from typing import Any

import mmengine
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.utils import digit_version

from ..datasets.nested_datasets import nested_datasets
from .random_state import WorkerSeed, random_state, set_random_state


def _since(version: str) -> bool:
    return digit_version(mmengine.__version__) >= digit_version(version)


SKIPS_TRAINED = _since('0.10.3')  # whether a resumed IterBasedTrainLoop skips trained batches
VALIDATES_LAST = _since('0.10.4')  # whether the last step is validated, whatever the interval


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
        validated, self.state = self._restore(runner), None
        if not validated and _validation_is_due(runner):
            runner.logger.info('The validation after this checkpoint is done now')
            runner.val_loop.run()
        if isinstance(loop, IterBasedTrainLoop):
            loop.dataloader_iterator = _Restored(
                loop.dataloader_iterator,
                steps=0 if getattr(loop, 'fast_forward_on_resume', False) else loop.iter,
            )
            if not SKIPS_TRAINED:
                runner.logger.info(f'Skipping the {loop.iter} batches that were trained before')
                for _ in range(loop.iter):
                    next(loop.dataloader_iterator)

    def start_epoch(self, runner: Runner) -> None:
        """Tell the workers the epoch."""
        if self._worker_seed is not None:
            self._worker_seed.epoch.fill_(runner.epoch)

    def _restore(self, runner: Runner) -> bool:
        """Restore the random numbers of all ranks or of none.

        A validation and the steps after it hold collectives, so the ranks must decide alike,
        whatever a file says that is not trusted.

        Returns:
            Whether the validation after the checkpoint is done; the same on all ranks.
        """
        current, processes, problem = random_state(), get_world_size(), None
        validated = not isinstance(self.state, dict) or self.state.get('validated') is not False
        try:
            states = self.state['random']
            if len(states) == processes:
                set_random_state(states[get_rank()])
            else:
                problem = f'they are of {len(states)} processes, and this training has {processes}'
        except Exception as error:
            problem = repr(error)
        ranks = all_gather_object((problem, validated))
        problems = [problem for problem, _ in ranks if problem]
        if problems:
            set_random_state(current)
            runner.logger.warning(f'The random numbers start anew, not as saved: {problems[0]}')
        return all(validated for _, validated in ranks)

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
    last_is_due = VALIDATES_LAST and step == last
    return step >= loop.val_begin and (step % loop.val_interval == 0 or last_is_due)


class _Restored:
    """The batches of an ``IterBasedTrainLoop``, which begins with going past those before.

    The random numbers are put back behind them. MMEngine loads these batches again, from 0.10.3 on
    by itself; its fork skips them, and workers then draw other numbers than they would have.
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
