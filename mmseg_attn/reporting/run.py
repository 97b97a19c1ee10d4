"""A training, found by its work folder."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from ..datasets.conversion import ConversionError
from ..reproduction import RunError, find_checkpoint
from .launch import Launch, find_launches
from .log import Log, join

FOLD = re.compile(r'fold_?(\d+)')


@dataclass
class Run:
    """A training and what it left.

    Attributes:
        folder: What ``tools/train.py`` calls the work folder.
        name: What it is called beside other runs.
        launches: Its starts that logged something.
        config: The file of its config; ``None`` if there is none.
        checkpoint: The best one, or else the last; ``None`` if there is none.
    """

    folder: Path
    name: str
    launches: list[Launch]
    config: Path | None
    checkpoint: Path | None

    @cached_property
    def log(self) -> Log:
        """Its curves."""
        return join(self.launches)

    @cached_property
    def cfg(self) -> Config | None:
        """Its config; reading it runs it, as training does.

        Raises:
            ConversionError: If it cannot be read.
        """
        if self.config is None:
            return None
        try:
            return Config.fromfile(self.config)
        except Exception as error:  # a config is a program
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise ConversionError(
                f'{self.config} cannot be read as a config ({reason[:200]}): correct it, or move '
                'it away and the report does without'
            ) from error

    @property
    def seconds(self) -> float:
        """How long it took, over all starts, from the first to the last line of the log."""
        times = [launch.times for launch in self.launches if launch.times]
        return sum((each[-1] - each[0]).total_seconds() for each in times)


def find_runs(folder: Path, name: str) -> list[Run]:
    """Find the run in a folder, or the runs of its folds, ``fold0`` and so on.

    Args:
        folder: What ``tools/train.py``, ``tools/cross_validate.py`` or ``tools/reproduce.py``
            wrote.
        name: What to call it; folds are called like their folders.

    Raises:
        ConversionError: If there is none.
    """
    if not folder.is_dir():
        raise ConversionError(f'{folder} is no folder: name the work folder of a training')
    folds = {path: FOLD.fullmatch(path.name) for path in folder.iterdir()}
    ordered = sorted((int(match[1]), path) for path, match in folds.items() if match)
    found = [_read(path, path.name) for _, path in ordered] or [_read(folder, name)]
    runs = [run for run in found if run]
    if not runs:
        raise ConversionError(
            f'{folder} holds no log of a training (*/vis_data/scalars.json): name a folder that '
            'tools/train.py or tools/cross_validate.py wrote'
        )
    return runs


def _read(folder: Path, name: str) -> Run | None:
    """The run in a folder, or where ``tools/reproduce.py`` puts it."""
    for place in (folder, folder / 'train'):
        launches = find_launches(place)
        config, checkpoint = _config(place), _checkpoint(place)
        if launches or (config and checkpoint):
            return Run(place, name, launches, config, checkpoint)
    return None


def _config(folder: Path) -> Path | None:
    """The config that MMEngine wrote into the folder, or into that of the last start."""
    for pattern in ('*.py', '*/vis_data/config.py'):
        found = max(folder.glob(pattern), key=lambda file: file.stat().st_mtime, default=None)
        if found:
            return found
    return None


def _checkpoint(folder: Path) -> Path | None:
    try:
        file = folder / find_checkpoint(folder)
    except RunError:
        return None
    return file if file.is_file() else None
