"""One training and its test, which an interruption does not lose."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mmengine.config import Config

from ...errors import RunError
from .machine import environment
from .process import (
    find_checkpoint,
    find_metrics,
    run_tool,
    seconds_per_iteration,
    write_json,
    write_text,
)
from .tables import Table


@dataclass
class Run:
    """A config that is trained and tested in a folder.

    The folder holds ``config.py``, what is run; ``run.json``, what is done; ``log.txt``, what the
    tools said; and the tools' own folders, ``train`` and ``test`` or ``val``.

    Args:
        config: the whole config.
        fold: its fold.
        folder: where it is done.
    """

    config: Config
    fold: int
    folder: Path

    def state(self) -> dict:
        """What is done: ``trained``, ``checkpoints`` and ``metrics`` per split, and so on."""
        file = self.folder / 'run.json'
        return json.loads(file.read_text()) if file.exists() else {}

    def finished(self, split: str) -> bool:
        """Whether its figures on a split are there."""
        return split in self.state().get('metrics', {})

    def conflict(self) -> str:
        """In one sentence, how its config differs from that of an earlier run in the folder."""
        file = self.folder / 'config.py'
        if not file.exists():
            return ''
        before, now = file.read_text().splitlines(), self.config.pretty_text.splitlines()
        if before == now:
            return ''
        different = (i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b)
        line = next(different, min(len(before), len(now)))
        old, new = (text[line].strip() if line < len(text) else '' for text in (before, now))
        return (
            f'{file} is another configuration, from line {line + 1} on ("{old}", now "{new}"): '
            'choose another --work-dir'
        )

    def go(self, table: Table, tools: Path, on_line: Callable[[str], None]) -> None:
        """Do what is still to do.

        Args:
            table: says what is tested, and on which split.
            tools: folder of ``train.py`` and ``test.py``.
            on_line: called with every line of their output.

        Raises:
            RunError: if training or test fail; it is noted in the folder too.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        done = self.state()
        done.pop('failed', None)
        try:
            if not done.get('trained'):
                self._train(done, tools, on_line)
            if table.split not in done.get('metrics', {}):
                self._test(done, table, tools, on_line)
        except RunError as error:
            done['failed'] = str(error)
            raise
        finally:
            self._write(done)

    def _train(self, done: dict, tools: Path, on_line: Callable[[str], None]) -> None:
        write_text(self.folder / 'config.py', self.config.pretty_text)
        train = self.folder / 'train'
        flags = ['--work-dir', str(train)]
        if (train / 'last_checkpoint').exists():
            done['resumed'] = done.get('resumed', 0) + 1
            flags += ['--resume', '--cfg-options', 'load_from=None']  # it would win over --resume
        self._write(done)
        self._run(tools / 'train.py', self.folder / 'config.py', *flags, on_line=on_line)
        done.update(
            trained=True,
            seconds_per_iteration=seconds_per_iteration(train),
            seed=self.config.randomness.seed,
            environment=environment(),
        )
        self._write(done)

    def _test(self, done: dict, table: Table, tools: Path, on_line: Callable[[str], None]) -> None:
        config = copy.deepcopy(self.config)
        config.test_dataloader = config[f'{table.split}_dataloader']
        config.test_evaluator = config[f'{table.split}_evaluator']
        file = self.folder / f'config_{table.split}.py'
        write_text(file, config.pretty_text)
        train, folder = self.folder / 'train', self.folder / table.split
        checkpoint = find_checkpoint(train, best=table.checkpoint == 'best')
        flags = [str(train / checkpoint), '--work-dir', str(folder)]
        self._run(tools / 'test.py', file, *flags, on_line=on_line)
        done.setdefault('metrics', {})[table.split] = find_metrics(folder)
        done.setdefault('checkpoints', {})[table.split] = checkpoint
        done['date'] = str(date.today())

    def _run(self, tool: Path, file: Path, *flags: str, on_line: Callable[[str], None]) -> None:
        run_tool(tool, str(file), *flags, log=self.folder / 'log.txt', on_line=on_line)

    def _write(self, done: dict) -> None:
        write_json(self.folder / 'run.json', done)
