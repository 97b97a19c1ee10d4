"""Make a resumed training do exactly what the interrupted one would have done."""

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
VALIDATES_LAST = _since('0.10.4')  # whether the last step is always validated


class Continuation:
    """Save and restore the state of the random numbers, and run a validation that was cut off.

    MMEngine restores model, optimizer, schedules and logs. Without this class, the random numbers
    start anew, and the validation after the checkpoint, which may give the best score, is lost.

    Attributes:
        state: The result of :meth:`now` in the checkpoint to resume from; ``None`` if the training
            starts anew or the checkpoint holds no such state.
    """

    def __init__(self) -> None:
        self.state: Any = None
        self._worker_seed: WorkerSeed | None = None

    def now(self, *, validated: bool) -> dict[str, Any]:
        """Return the state to save in a checkpoint; call it on every rank.

        Args:
            validated: Whether the validation that may be due after this step is done.
        """
        return dict(random=all_gather_object(random_state()), validated=validated)

    def start(self, runner: Runner) -> None:
        """Prepare the data loaders; in a resumed training, restore the state and validate."""
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop) and loop.dataloader.num_workers:
            # An IterBasedTrainLoop has started its workers; it loads the trained batches again.
            self._seed_workers(runner)
        # A data loader draws a random number whenever it starts to iterate, which happens more
        # often after an interruption. A generator of its own keeps the model's numbers the same.
        for phase in (loop, runner.val_loop):
            if phase is not None:
                phase.dataloader.generator = torch.Generator().manual_seed(runner.seed + loop.iter)
        if self.state is None:
            return
        validated, self.state = self._restore(runner), None
        if not validated and _validation_is_due(runner):
            runner.logger.info('The validation that was due after this checkpoint runs now')
            runner.val_loop.run()
        if isinstance(loop, IterBasedTrainLoop):
            loop.dataloader_iterator = _Restored(
                loop.dataloader_iterator,
                steps=0 if getattr(loop, 'fast_forward_on_resume', False) else loop.iter,
            )
            if not SKIPS_TRAINED:
                runner.logger.info(f'Skipping the {loop.iter} batches that were already trained')
                for _ in range(loop.iter):
                    next(loop.dataloader_iterator)

    def start_epoch(self, runner: Runner) -> None:
        """Send the number of the epoch to the workers."""
        if self._worker_seed is not None:
            self._worker_seed.epoch.fill_(runner.epoch)

    def _restore(self, runner: Runner) -> bool:
        """Restore the random numbers of all ranks or of none.

        A validation and the steps after it communicate between the ranks, so all ranks must take
        the same decision, even if the checkpoint is not trusted.

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
                problem = f'the number of processes was {len(states)} and is {processes} now'
        except Exception as error:
            problem = repr(error)
        ranks = all_gather_object((problem, validated))
        problems = [problem for problem, _ in ranks if problem]
        if problems:
            set_random_state(current)
            runner.logger.warning(
                'The random numbers start anew, since those of the checkpoint cannot be used: '
                f'{problems[0]}'
            )
        return all(validated for _, validated in ranks)

    def _seed_workers(self, runner: Runner) -> None:
        self._worker_seed = WorkerSeed(runner.seed)
        for dataset in nested_datasets(runner.train_loop.dataloader.dataset):
            transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
            if isinstance(transforms, list):
                transforms.insert(0, self._worker_seed)


def _validation_is_due(runner: Runner) -> bool:
    """Tell whether MMEngine's loop would have validated at its current step."""
    loop = runner.train_loop
    if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop | IterBasedTrainLoop):
        return False
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    step, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    loop._decide_current_val_interval()
    last_is_due = VALIDATES_LAST and step == last
    return step >= loop.val_begin and (step % loop.val_interval == 0 or last_is_due)


class _Restored:
    """Iterate over the batches of an ``IterBasedTrainLoop``, past those that were trained before.

    The random numbers are restored after them. MMEngine loads these batches again, from 0.10.3 on
    by itself; its fork skips them, so that its workers draw different numbers.
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
        """Skip ``steps`` batches; the fork calls it instead of ``next``."""
        self._batches.skip_iter(steps)
        self._left = 0
