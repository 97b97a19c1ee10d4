"""Train and test a config with the tools, and resume after an interruption."""

import contextlib
import copy
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger

from ...engine.cfg_options import merge_options
from ...errors import RunError
from ...evaluation import Complexity, complexity
from ...evaluation.confusion import ignored_by, metric_configs
from ...evaluation.input_shape import channels
from ...io import write_file
from .code import changed_files, used_files
from .log import find_launches, join, seconds_per_iteration
from .process import machine, run_tool, versions
from .record import Key, Record, config_hash, content_of, portable_options, run_name
from .work_dir import find_checkpoint, find_metrics

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

_LENGTHS = 'max_epochs', 'max_iters'
_PER_IMAGE = dict(type='ImageAreasMetric')
_counted: dict[str, Complexity | None] = {}  # the folds of a row have the same model


def read_config(file: Path, options: Sequence[str] = (), *, fold: int) -> Config:
    """Read a config as the tools do when the environment variable FOLD is ``fold``.

    Raises:
        DataError: If an option does not fit the config.
    """
    before = os.environ.get('FOLD')
    os.environ['FOLD'] = str(fold)
    logger = MMLogger.get_current_instance()  # MMEngine logs the value of FOLD
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        cfg = Config.fromfile(file, import_custom_modules=False)
    finally:
        logger.setLevel(level)
        os.environ.pop('FOLD')
        if before is not None:
            os.environ['FOLD'] = before
    merge_options(cfg, options)
    return cfg


@dataclass(kw_only=True)
class Job:
    """A config that is trained and tested in a folder.

    The folder contains ``config.py``, the config; ``state.json``; ``log.txt``, the output of the
    tools; and the work directories ``train`` and ``test`` or ``val``.

    Args:
        title: A name to print.
        source: The config file, below ``configs`` and without ``.py``.
        config: The whole config.
        options: What was changed in the config of the file, by dotted key.
        fold: The number of the fold.
        folder: The folder.
        split: The split of the test, 'val' or 'test'.
        measured: The checkpoint to test: 'best', or the last if there is none, or 'last'.
        tta: Whether the test uses the test-time augmentation of the config.
        command: The command that repeats the run.
    """

    title: str
    source: str
    config: Config
    options: Mapping[str, Any] = field(default_factory=dict)
    fold: int
    folder: Path
    split: str = 'test'
    measured: str = 'best'
    tta: bool = False
    command: str = ''

    @cached_property
    def key(self) -> Key:
        """What tells the run from all others."""
        seed = (self.config.get('randomness') or {}).get('seed')
        return Key(config_hash(self.config, tta=self.tta), seed, self.split, self.measured)

    @property
    def name(self) -> str:
        """A unique name for a folder."""
        return run_name(self.source, portable_options(self.options), self.fold, self.key)

    @property
    def record(self) -> Path:
        """A file for its record, if that has no other place."""
        return self.folder / 'record.json'

    @property
    def train_dir(self) -> Path:
        """The work directory of the training."""
        return self.folder / 'train'

    @cached_property
    def complexity(self) -> Complexity | None:
        """Parameters, and FLOPs of an image of the size in the name of the config, if known."""
        size = re.search(r'(\d+)x(\d+)$', self.source)
        if not size:
            return None
        shape = channels(self.config), int(size[1]), int(size[2])
        return _count(self.config.model, shape)

    @property
    def cost(self) -> float:
        """The cost of the run, relative to others of the same data; 0 if unknown."""
        length = next(filter(None, map(self.config.train_cfg.get, _LENGTHS)), 0)
        return self.complexity.flops * length if self.complexity else 0.0

    def run(
        self,
        tools: Path,
        *,
        variables: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = lambda line: None,
        restart: bool = False,
    ) -> Generator[None, None, Record]:
        """Train and test, without repeating finished steps; yield again and again meanwhile.

        Args:
            tools: The folder of ``train.py`` and ``test.py``.
            variables: Environment variables for both.
            on_line: A function that receives each line of the output.
            restart: Whether to train again if the code has changed since the training began.

        Returns:
            The record of the run.

        Raises:
            RunError: If training or test fail.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            state = self._read_state()
            if restart and changed_files(state.get('code', {})):
                shutil.rmtree(self.train_dir, ignore_errors=True)
                state = {}
            common = dict(log=self.folder / 'log.txt', variables=variables, on_line=on_line)
            if not state.get('trained'):
                yield from self._train(state, tools / 'train.py', common)
            return (yield from self._test(state, tools / 'test.py', common))

    def _train(self, state: dict, tool: Path, common: dict) -> Iterator[None]:
        file = self.folder / 'config.py'
        write_file(file, self.config.pretty_text)
        flags, options = [str(file), '--work-dir', str(self.train_dir)], []
        if (self.train_dir / 'last_checkpoint').exists():
            state['resumed'] = state.get('resumed', 0) + 1
            flags += ['--resume']
            options = ['load_from=None']  # that of the config would take precedence
        else:
            state.clear()
        parts = [content_of(self.config, tta=self.tta), _PER_IMAGE]
        state.setdefault('code', used_files(parts))
        threads = (common['variables'] or {}).get('OMP_NUM_THREADS')
        state.update(machine=machine(threads and int(threads)), versions=versions())
        self._write_state(state)
        yield from run_tool(tool, *flags, options=options, **common)
        self._write_state(state | dict(trained=True))

    def _test(self, state: dict, tool: Path, common: dict) -> Generator[None, None, Record]:
        checkpoint = find_checkpoint(self.train_dir, best=self.measured == 'best')
        test_dir, areas = self.folder / self.split, self.folder / f'areas_{self.split}.json'
        shutil.rmtree(test_dir, ignore_errors=True)  # what is there is not of this test
        file = self.folder / f'config_{self.split}.py'
        write_file(file, self._config_of_test(areas).pretty_text)
        flags = [str(file), str(self.train_dir / checkpoint), '--work-dir', str(test_dir)]
        flags += ['--tta'] * self.tta
        begin = time.monotonic()
        yield from run_tool(tool, *flags, **common)
        seconds = time.monotonic() - begin
        return self._make_record(state, checkpoint, seconds, find_metrics(test_dir), areas)

    def _config_of_test(self, areas: Path) -> Config:
        """Return the config with the split as the test set, and with a metric per image."""
        config = copy.deepcopy(self.config)
        config.test_dataloader = config[f'{self.split}_dataloader']
        evaluator = config[f'{self.split}_evaluator']
        metrics, ignored = metric_configs(evaluator), ignored_by(evaluator)
        per_image = _PER_IMAGE | dict(out_file=str(areas.absolute()), ignore_index=ignored)
        if isinstance(evaluator, dict) and 'metrics' in evaluator:
            config.test_evaluator = dict(evaluator, metrics=[*metrics, per_image])
        else:
            config.test_evaluator = [*metrics, per_image]
        return config

    def _make_record(
        self, state: dict, checkpoint: str, seconds: float, metrics: dict[str, float], areas: Path
    ) -> Record:
        launches = find_launches(self.train_dir)
        log = join(launches)
        memory = [entry['memory'] for entry in log.losses.values() if entry.get('memory')]
        validations = zip(*log.curve('mIoU', log.unit), strict=True)
        counted = self.complexity
        return Record(
            config=self.source,
            options=portable_options(self.options),
            **self.key._asdict(),
            fold=self.fold,
            checkpoint=checkpoint,
            tta=self.tta,
            metrics={name: round(value, 6) for name, value in metrics.items()},
            validations={str(step): round(value, 6) for step, value in validations},
            **json.loads(areas.read_text(encoding='utf-8')),
            parameters=counted and counted.parameters,
            flops=counted and counted.flops,
            seconds=dict(
                training=sum(launch.seconds for launch in launches),
                test=round(seconds, 1),
                iteration=seconds_per_iteration(launches),
            ),
            memory=max(memory, default=None),
            resumed=state.get('resumed', 0),
            date=str(date.today()),
            machine=state['machine'],
            versions=state['versions'],
            code=state['code'],
            command=self.command,
        )

    def _read_state(self) -> dict:
        file = self.folder / 'state.json'
        if not file.exists():
            return {}
        try:
            state = json.loads(file.read_text(encoding='utf-8'))
            known = {'code', 'machine', 'versions'} <= state.keys()
        except (ValueError, AttributeError):  # no JSON, or no dict
            known = False
        if not known:
            raise RunError(f'{file} is damaged: remove {self.folder} to train again')
        return state

    def _write_state(self, state: dict) -> None:
        write_file(self.folder / 'state.json', json.dumps(state, indent=2) + '\n')


def _count(model: dict, shape: tuple[int, int, int]) -> Complexity | None:
    key = f'{model} {shape}'
    if key not in _counted:
        try:
            _counted[key] = complexity(model, shape)
        except Exception:  # a foreign model, or a PyTorch that cannot count
            _counted[key] = None
    return _counted[key]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder of a run.

    Raises:
        RunError: If another process has locked it.
    """
    with (folder / 'lock').open('w') as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f'another process works in {folder}') from None
            except OSError:  # a file system without locks
                pass
        yield
