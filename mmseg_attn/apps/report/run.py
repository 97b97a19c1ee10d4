"""A training, found by its work folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from ...errors import DataError, RunError
from ..reproduce import find_checkpoint
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
        config: A file with the config that it was started with; ``None`` if there is none.
        checkpoint: The best one, or else the last; ``None`` if there is none.
        called: What the file of its config was called, if another file tells what is in it.
    """

    folder: Path
    name: str
    launches: list[Launch]
    config: Path | None
    checkpoint: Path | None
    called: Path | None = None

    @property
    def config_name(self) -> Path | None:
        """The name of its config, whatever the file is called that has kept it."""
        return self.called or self.config

    @cached_property
    def log(self) -> Log:
        """Its curves."""
        return join(self.launches)

    @cached_property
    def cfg(self) -> Config | None:
        """Its config; reading it runs it, as training does.

        Raises:
            DataError: If it cannot be read.
        """
        if self.config is None:
            return None
        try:
            cfg = Config.fromfile(self.config)
        except Exception as error:  # a config is a program
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise DataError(
                f'{self.config} cannot be read as a config ({reason[:200]}): correct it, or move '
                'it away and the report does without'
            ) from error
        if self.called:  # the size of the images stands in the name
            return Config(cfg._cfg_dict, cfg_text=cfg.text, filename=str(self.called))
        return cfg

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
        DataError: If there is none.
    """
    if not folder.is_dir():
        raise DataError(f'{folder} is no folder: name the work folder of a training')
    folds = {path: FOLD.fullmatch(path.name) for path in folder.iterdir()}
    ordered = sorted((int(match[1]), path) for path, match in folds.items() if match)
    found = [_read(path, path.name) for _, path in ordered] or [_read(folder, name)]
    runs = [run for run in found if run]
    if not runs:
        raise DataError(
            f'{folder} holds no log of a training (*/vis_data/scalars.json): name a folder that '
            'tools/train.py or tools/cross_validate.py wrote'
        )
    return runs


def _read(folder: Path, name: str) -> Run | None:
    """The run in a folder, or where ``tools/reproduce.py`` puts it."""
    for place in (folder, folder / 'train'):
        launches = find_launches(place)
        (config, called), checkpoint = _config(place, launches), _checkpoint(place)
        if launches or (config and checkpoint):
            return Run(place, name, launches, config, checkpoint, called)
    return None


def _config(folder: Path, launches: Sequence[Launch]) -> tuple[Path | None, Path | None]:
    """Find the config that the last start of the training was given.

    MMEngine writes it into the folder, where a test replaces it by its own, and into that of the
    start, which nothing changes afterwards.

    Returns:
        The file; and the one in the folder, if that holds something else by now.
    """
    named = sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)
    kept = [launch.folder / 'vis_data/config.py' for launch in reversed(launches)]
    kept = next((file for file in kept if file.is_file()), None)
    if kept is None:
        others = sorted(folder.glob('*/vis_data/config.py'), key=lambda f: f.stat().st_mtime)
        return next(reversed([*others, *named]), None), None
    text = kept.read_bytes()
    same = [file for file in named if file.read_bytes() == text]
    if same or not named:
        return (same or [kept])[-1], None
    return kept, named[0]


def _checkpoint(folder: Path) -> Path | None:
    try:
        file = folder / find_checkpoint(folder)
    except RunError:
        return None
    return file if file.is_file() else None
