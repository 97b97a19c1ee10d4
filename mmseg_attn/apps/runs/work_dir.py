"""Read work directories: trainings with their log, config, checkpoints and metrics."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from ...errors import DataError, RunError
from ..cli import complete_model
from .log import Launch, Log, find_launches, join

FOLD = re.compile(r'fold_?(\d+)')

_LENGTHS = dict(max_iters='iteration', max_epochs='epoch')
_SAVED = re.compile(r'Saving checkpoint at (\d+) (iteration|epoch)s')
# Messages of MMEngine's EarlyStoppingHook
_STOPPED = re.compile(r'did not improve in the last \d+ records|Stopping threshold reached')
# Numbers in the log that are no metrics
_COUNTERS = ('time', 'data_time', 'step', 'iter', 'epoch')
_TESTED = re.compile(r'Load checkpoint from (\S.*)')


@dataclass
class Run:
    """A training and its files.

    Attributes:
        folder: The work directory of ``tools/train.py``.
        name: A unique name.
        launches: Its launches with log entries.
        config: A file with the config that it was started with; ``None`` if there is none.
        checkpoint: The best checkpoint, or the last one; ``None`` if there is none.
        original_config: The name of the config file, if ``config`` is a copy with another name.
    """

    folder: Path
    name: str
    launches: list[Launch]
    config: Path | None
    checkpoint: Path | None
    original_config: Path | None = None

    @property
    def config_name(self) -> Path | None:
        """The name of the config that the training was started with."""
        return self.original_config or self.config

    @cached_property
    def log(self) -> Log:
        """The curves."""
        return join(self.launches)

    @cached_property
    def cfg(self) -> Config | None:
        """The config; reading it executes it, as training does.

        Raises:
            DataError: If the config cannot be read.
        """
        if self.config is None:
            return None
        try:
            cfg = Config.fromfile(self.config)
        except Exception as error:  # a config is a program
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise DataError(
                f'{self.config} cannot be read as a config ({reason[:200]}): correct it, or '
                'remove it to continue without it'
            ) from error
        complete_model(cfg)
        if self.original_config:  # its name ends in the size of the images
            return Config(cfg._cfg_dict, cfg_text=cfg.text, filename=str(self.original_config))
        return cfg

    @property
    def seconds(self) -> float:
        """The duration of all launches, from the first to the last line of each log."""
        return sum(launch.seconds for launch in self.launches)

    def unfinished(self) -> str:
        """Describe the end of an unfinished training; empty if it is complete or unknown.

        The last validation and the last checkpoint are logged at the very end. Without them, a
        training counts as complete if its next line would come after the end.
        """
        plan = self.cfg.get('train_cfg') or {} if self.cfg is not None else {}
        key = next((key for key in _LENGTHS if plan.get(key)), None)
        if key is None or not self.launches:
            return ''
        unit, planned, text = _LENGTHS[key], plan[key], self.launches[-1].text
        reached = [int(number) for number, counted in _SAVED.findall(text) if counted == unit]
        reached += self.log.scores if self.log.unit == unit else []
        steps = sorted({*reached, *_logged_steps(self.log, unit, complete=not reached)})
        if not steps or steps[-1] >= planned:
            return ''
        if not reached and planned - steps[-1] < steps[-1] - (steps[-2] if len(steps) > 1 else 0):
            return ''
        reason = 'by early stopping' if _STOPPED.search(text) else '(interrupted, or still running)'
        return f'ended after {steps[-1]} of {planned} {unit}s {reason}'

    def recorded_metrics(self, split: str) -> tuple[dict[str, float], str]:
        """Read the metrics of an earlier test, or else of a validation.

        A test of another checkpoint, or one before the last launch, does not count. The validation
        is that of the checkpoint, or else the best one.

        Args:
            split: 'val' or 'test'.

        Returns:
            The metrics, in percent, and their source; both are empty if there are none.
        """
        if split == 'test':
            beside = [self.folder.parent / 'test'] if self.folder.name == 'train' else []
            for folder in (self.folder / 'test', *beside, self.folder):
                for test in _tests(folder):
                    if self._is_tested_by(test):
                        tta = ' with test-time augmentation' if _augments(test) else ''
                        return _metrics(test), f'test set{tta}, from the log of the test'
        step = self._validated_step()
        if step is None:
            return {}, ''
        metrics = _without_counters(self.log.scores[step])
        return metrics, f'validation at {self.log.unit} {step}, from the log'

    def _is_tested_by(self, test: Path) -> bool:
        """Tell whether a test is of this checkpoint, as far as that is known."""
        begun = self.launches[-1].folder.name if self.launches else ''
        tested = [Path(path) for path in _TESTED.findall(Launch(test.parent).text)]
        return test.parent.name >= begun and (
            not tested or self.checkpoint is None or _may_be(tested[-1], self.checkpoint)
        )

    def _validated_step(self) -> int | None:
        """Return the step of the checkpoint if it was validated, or else that of the best score."""
        name = self.checkpoint.stem if self.checkpoint else ''
        step = re.search(rf'{self.log.unit[:4]}\w*_(\d+)$', name)
        if step and int(step[1]) in self.log.scores:
            return int(step[1])
        best = self.log.best()
        return best and best[0]


def find_runs(folder: Path, name: str) -> list[Run]:
    """Find the run in a folder, or the runs of its folds, ``fold0`` and so on.

    Args:
        folder: The output of ``tools/train.py``, ``tools/cross_validate.py`` or
            ``tools/reproduce.py``.
        name: The name of the run; folds have the names of their folders.

    Raises:
        DataError: If there is none.
    """
    if not folder.is_dir():
        raise DataError(f'{folder} is not a folder: name the work directory of a training')
    folds = {path: FOLD.fullmatch(path.name) for path in folder.iterdir()}
    ordered = sorted((int(match[1]), path) for path, match in folds.items() if match)
    runs = [_read_run(path, path.name) for _, path in ordered] or [_read_run(folder, name)]
    runs = [run for run in runs if run]
    if not runs:
        raise DataError(
            f'{folder} contains no log of a training (*/vis_data/scalars.json): name a work '
            'directory of tools/train.py or tools/cross_validate.py'
        )
    return runs


def find_checkpoint(work_dir: Path, *, best: bool = True) -> str:
    """Return the file name of the best checkpoint of a training, or of its last.

    Args:
        work_dir: The work directory of the training.
        best: Whether to prefer the best checkpoint, if there is one: by mIoU, if there are several,
            and the newest, since an earlier training or a killed process may have left others.

    Raises:
        RunError: If there is no checkpoint.
    """
    for pattern in ('best_mIoU_*.pth', 'best_*.pth') if best else ():
        if files := [*work_dir.glob(pattern)]:
            return max(files, key=lambda path: (path.stat().st_mtime, _number(path))).name
    try:
        return Path((work_dir / 'last_checkpoint').read_text().strip()).name
    except FileNotFoundError:
        raise RunError(
            f'{work_dir} contains no checkpoint to test: enable the CheckpointHook'
        ) from None


def find_metrics(work_dir: Path) -> dict[str, float]:
    """Read the metrics of the newest test in a work directory.

    Raises:
        RunError: If there are none.
    """
    for newest in _tests(work_dir):
        return _metrics(newest)
    raise RunError(
        f'{work_dir} contains no metrics, although the test has ended: check test_evaluator'
    )


def _tests(work_dir: Path) -> list[Path]:
    """Find the metrics of the tests in a work directory, newest first."""
    files = [file for file in work_dir.glob('*/*.json') if file.stem == file.parent.name]
    return sorted(files, reverse=True)  # the names are times


def _may_be(tested: Path, checkpoint: Path) -> bool:
    """Tell whether a path in a log may be a checkpoint, whose folder may have been moved."""
    both = tested.is_file() and checkpoint.is_file()
    other = both and not tested.samefile(checkpoint)
    same_folder = tested.parent.name == checkpoint.parent.name
    return tested.name == checkpoint.name and (same_folder or not other)


def _augments(test: Path) -> bool:
    """Tell whether the config of a test has a model of test-time augmentation."""
    try:
        model = Config.fromfile(test.parent / 'vis_data/config.py').get('model')
    except Exception:  # there is none, or it is a program of its own
        return False
    return isinstance(model, dict) and 'module' in model


def _metrics(test: Path) -> dict[str, float]:
    return _without_counters(json.loads(test.read_text(encoding='utf-8')))


def _without_counters(entry: dict) -> dict[str, float]:
    return {
        key: value
        for key, value in entry.items()
        if key not in _COUNTERS and isinstance(value, int | float) and math.isfinite(value)
    }


def _number(checkpoint: Path) -> int:
    return int((re.findall(r'\d+', checkpoint.stem) or [0])[-1])


def _read_run(folder: Path, name: str) -> Run | None:
    """Read the run in a folder, or in ``train`` below it, where jobs train."""
    for work_dir in (folder, folder / 'train'):
        launches = find_launches(work_dir)
        config, original = _find_config(work_dir, launches)
        try:
            checkpoint = work_dir / find_checkpoint(work_dir)
            if _is_earlier(checkpoint, launches):
                checkpoint = work_dir / find_checkpoint(work_dir, best=False)
        except RunError:
            checkpoint = None
        if checkpoint and not checkpoint.is_file():
            checkpoint = None
        if launches or (config and checkpoint):
            return Run(work_dir, name, launches, config, checkpoint, original)
    return None


def _is_earlier(best: Path, launches: Sequence[Launch]) -> bool:
    """Tell whether an earlier training in the folder left a best checkpoint.

    It is older than the training, and no log of the training names it.
    """
    named = any(f'saved to {best.name}' in launch.text for launch in launches)
    if named or not launches or launches[0].begin != 0:  # its first logs may be missing
        return False
    config = launches[0].folder / 'vis_data/config.py'
    if not (config.is_file() and best.is_file()):
        return False
    return best.stat().st_mtime < config.stat().st_mtime


def _find_config(folder: Path, launches: Sequence[Launch]) -> tuple[Path | None, Path | None]:
    """Find the config of the last launch of a training.

    MMEngine writes it to the work directory, where a test overwrites it with its own, and to the
    folder of the launch, where it stays.

    Returns:
        The file, and the file in the work directory if its content differs.
    """
    files = sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)
    copies = [launch.folder / 'vis_data/config.py' for launch in reversed(launches)]
    copy = next((file for file in copies if file.is_file()), None)
    if copy is None:
        others = sorted(folder.glob('*/vis_data/config.py'), key=lambda f: f.stat().st_mtime)
        return next(reversed([*others, *files]), None), None
    content = copy.read_bytes()
    same = [file for file in files if file.read_bytes() == content]
    if same or not files:
        return (same or [copy])[-1], None
    return copy, files[0]


def _logged_steps(log: Log, unit: str, *, complete: bool) -> list[int]:
    """Return the logged steps; the last epoch is counted only if ``complete``."""
    if unit == 'iteration':
        return list(log.losses)
    epochs = (entry['epoch'] for entry in log.losses.values() if 'epoch' in entry)
    return [epoch if complete else epoch - 1 for epoch in epochs]
