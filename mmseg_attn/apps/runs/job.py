"""Train and test a config with the tools, and resume after an interruption."""

import copy
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mmengine.config import Config

from ...engine.cfg_options import merge_options
from ...errors import RunError
from ...io import write_file
from .log import find_launches, seconds_per_iteration
from .process import environment, run_tool
from .work_dir import FOLD_RECORD, find_checkpoint, find_metrics


def read_config(file: Path, options: Sequence[str], *, fold: int) -> Config:
    """Read a config as the tools do when the environment variable FOLD is ``fold``.

    Raises:
        DataError: If an option does not fit the config.
    """
    before = os.environ.get('FOLD')
    os.environ['FOLD'] = str(fold)
    try:
        cfg = Config.fromfile(file, import_custom_modules=False)
    finally:
        os.environ.pop('FOLD')
        if before is not None:
            os.environ['FOLD'] = before
    merge_options(cfg, options)
    return cfg


@dataclass
class Job:
    """A config that is trained and tested in a folder.

    The folder holds ``config.py``, the config; ``run.json``, the state; ``log.txt``, the output
    of the tools; and the work directories ``train`` and ``test`` or ``val``.

    Args:
        config: The whole config.
        fold: The number of the fold.
        folder: The folder.
    """

    config: Config
    fold: int
    folder: Path

    record = 'run.json'

    @property
    def train_dir(self) -> Path:
        """The work directory of the training."""
        return self.folder / 'train'

    def state(self) -> dict:
        """Read the state: ``trained``, ``checkpoints`` and ``metrics`` per split, and others."""
        file = self.folder / self.record
        return json.loads(file.read_text(encoding='utf-8')) if file.exists() else {}

    def is_finished(self, split: str) -> bool:
        """Return whether the metrics on a split have been computed."""
        return split in self.state().get('metrics', {})

    def conflict(self) -> str:
        """Describe how the config differs from that of an earlier run; empty if it does not."""
        file = self.folder / 'config.py'
        if not file.exists():
            return ''
        old = file.read_text(encoding='utf-8').splitlines()
        new = self.config.pretty_text.splitlines()
        if old == new:
            return ''
        different = (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
        i = next(different, min(len(old), len(new)))
        before, now = (lines[i].strip() if i < len(lines) else '' for lines in (old, new))
        return (
            f'{file} has another configuration from line {i + 1} on ("{before}", now "{now}"): '
            'choose another --work-dir'
        )

    def execute(
        self,
        tools: Path,
        split: str = 'test',
        *,
        best: bool = True,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> dict[str, float]:
        """Train and test, without repeating finished steps, and return the metrics.

        Args:
            tools: The folder of ``train.py`` and ``test.py``.
            split: The split of the test, 'val' or 'test'.
            best: Whether to test the best checkpoint, if there is one, instead of the last.
            on_line: A function that receives each line of the output.

        Raises:
            RunError: If training or test fail; the error is also recorded.
        """
        state = self.state()
        if split in state.get('metrics', {}):
            return state['metrics'][split]
        self.folder.mkdir(parents=True, exist_ok=True)
        state.pop('failed', None)
        try:
            if not state.get('trained'):
                self._train(state, tools / 'train.py', on_line)
            checkpoint = state.get('checkpoints', {}).get(split)
            checkpoint = checkpoint or find_checkpoint(self.train_dir, best=best)
            flags = [str(self.train_dir / checkpoint), '--work-dir', str(self.folder / split)]
            self._run(tools / 'test.py', flags, on_line, split=split)
            state.setdefault('metrics', {})[split] = find_metrics(self.folder / split)
            state.setdefault('checkpoints', {})[split] = checkpoint
            state['date'] = str(date.today())
        except RunError as error:
            state['failed'] = str(error)
            raise
        finally:
            self._write(state)
        return state['metrics'][split]

    def _train(self, state: dict, tool: Path, on_line: Callable[[str], None]) -> None:
        flags = ['--work-dir', str(self.train_dir)]
        options = []
        if (self.train_dir / 'last_checkpoint').exists():
            state['resumed'] = state.get('resumed', 0) + 1
            flags += ['--resume']
            options = ['load_from=None']  # that of the config would take precedence
        self._write(state)
        self._run(tool, flags, on_line, options=options)
        state.update(
            trained=True,
            seconds_per_iteration=seconds_per_iteration(find_launches(self.train_dir)),
            seed=self.config.get('randomness', {}).get('seed'),
            environment=environment(),
        )
        self._write(state)

    def _run(
        self,
        tool: Path,
        flags: list[str],
        on_line: Callable[[str], None],
        *,
        split: str = '',
        options: Sequence[str] = (),
    ) -> None:
        """Run a tool with the config; for a test, the split becomes the test set."""
        config, file = self.config, self.folder / 'config.py'
        if split:
            config, file = copy.deepcopy(config), self.folder / f'config_{split}.py'
            config.test_dataloader = config[f'{split}_dataloader']
            config.test_evaluator = config[f'{split}_evaluator']
        write_file(file, config.pretty_text)
        log = self.folder / 'log.txt'
        run_tool(tool, str(file), *flags, options=options, log=log, on_line=on_line)

    def _write(self, state: dict) -> None:
        write_file(self.folder / self.record, json.dumps(state, indent=2) + '\n')


@dataclass
class FoldJob(Job):
    """A fold of a cross-validation, in the work directory of its training.

    The tools read the config file with FOLD in the environment, and print to the terminal. The
    folder holds ``cross_validation.json``, the tested checkpoint and its metrics, and ``test``.

    Args:
        file: The config file.
        options: ``KEY=VALUE``, for both tools.
        on_step: A function that receives a line before training and before the test.
    """

    file: Path
    options: Sequence[str]
    on_step: Callable[[str], None]

    record = FOLD_RECORD

    @property
    def train_dir(self) -> Path:
        """The work directory of the training."""
        return self.folder

    def state(self) -> dict:
        """Read the state, as :meth:`Job.state` does."""
        record = super().state()
        return dict(
            trained='checkpoint' in record,
            checkpoints=dict(test=record.get('checkpoint')),
            metrics=dict(test=record['metrics']) if 'metrics' in record else {},
        )

    def _run(
        self,
        tool: Path,
        flags: list[str],
        on_line: Callable[[str], None],
        *,
        split: str = '',
        options: Sequence[str] = (),
    ) -> None:
        step = tool.stem
        if split and not Path(flags[0]).name.startswith('best_'):
            step += f': there is no best_*.pth in {self.folder}, so the last checkpoint is tested'
        self.on_step(step)
        options = [*self.options, *options]
        variables = dict(FOLD=str(self.fold))
        run_tool(tool, str(self.file), *flags, options=options, variables=variables)

    def _write(self, state: dict) -> None:
        if state['trained']:
            checkpoints = state['checkpoints']
            checkpoints['test'] = checkpoints['test'] or find_checkpoint(self.folder)
            metrics = dict(metrics=state['metrics']['test']) if state['metrics'] else {}
            super()._write(dict(checkpoint=checkpoints['test'], **metrics))
