"""Choose the checkpoint to resume from, and check that its weights fit the model."""

from pathlib import Path

from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ..errors import CheckpointError
from .resume import newest_checkpoint, resumable
from .weights import format_list, load_weights


def choose_checkpoint(runner: Runner, folder: Path, template: str) -> None:
    """Make the runner resume from the newest complete checkpoint, if there is one.

    Args:
        runner: The runner that resumes.
        folder: The folder with its checkpoints.
        template: File name of a checkpoint, with ``{}`` for the number.

    Raises:
        CheckpointError: If there are checkpoints and none can be used.
    """
    chosen, skipped = newest_checkpoint(Path(runner.work_dir), folder, template)
    if chosen is None and skipped:
        raise CheckpointError(
            f'--resume finds no usable checkpoint in {folder}: {"; ".join(skipped)}. '
            'Restore one, or start anew without --resume'
        )
    for reason in skipped:
        runner.logger.warning(f'--resume skips a checkpoint: {reason}')
    if chosen is not None:
        runner._load_from = str(chosen)


def check_loaded(runner: Runner, checkpoint: dict) -> None:
    """Check that a checkpoint fits the model, before MMEngine loads it.

    To resume and to test, it must hold all weights except those of auxiliary heads; to start a
    training from it, some of them.

    Args:
        runner: The runner.
        checkpoint: The content of the file.

    Raises:
        CheckpointError: If it does not.
    """
    name = runner._load_from or 'the checkpoint'
    training = isinstance(runner._train_loop, BaseLoop)
    tested = runner._test_loop if isinstance(runner._test_loop, BaseLoop) else runner._val_loop
    tests = isinstance(tested, BaseLoop)
    if training and runner._resume:
        resumable(checkpoint, name)
    partly = not runner._resume and (training or not tests)
    missing = load_weights(runner.model, checkpoint, name=name, partly=partly, logger='silent')
    if missing:
        runner.logger.warning(
            f'{name} does not contain all weights of the model; tensors that keep their random '
            f'initialization: {len(missing)}, {format_list(missing)}'
        )
    if tests and not training:
        _warn_of_other_classes(runner, checkpoint, name, tested)


def _warn_of_other_classes(runner: Runner, checkpoint: dict, name: str, loop: BaseLoop) -> None:
    trained, tested = checkpoint, getattr(loop.dataloader.dataset, 'metainfo', None)
    for key in ('meta', 'dataset_meta'):
        trained = trained.get(key) if isinstance(trained, dict) else None
    names = [
        list(map(str, meta['classes']))
        for meta in (trained, tested)
        if isinstance(meta, dict) and isinstance(meta.get('classes'), list | tuple)
    ]
    if len(names) == 2 and names[0] != names[1]:
        runner.logger.warning(
            f'{name} was trained for the classes {", ".join(names[0])}, but the dataset has '
            f'{", ".join(names[1])}: the metrics are only valid if these are the same classes'
        )
