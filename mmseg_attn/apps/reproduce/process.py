"""Training and testing by the tools, and reading what they leave; cross-validation uses it too."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.config import Config

from ...engine.cfg_options import merge_options
from ...errors import RunError
from .ending import BEFORE_TOOL

ERROR = re.compile(r'(\w+\.)*\w*(Error|Exception|Interrupt)\b')  # last line of a traceback


def read_config(file: Path, options: Sequence[str], *, fold: int) -> Config:
    """Read a config as the tools do when FOLD is ``fold``.

    Raises:
        DataError: If an option does not fit it.
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


def run_tool(tool: Path, *arguments: str, log: Path, on_line: Callable[[str], None]) -> None:
    """Run a tool as a process that ends with this one, on Linux however this one ends.

    Args:
        tool: its file.
        arguments: its command line.
        log: file to which everything that it prints is added.
        on_line: called with every line.

    Raises:
        RunError: if it fails; with the error that it printed last.
    """
    last: deque[str] = deque(maxlen=100)
    with (
        log.open('a') as file,
        subprocess.Popen(
            [sys.executable, str(tool), *arguments],
            env=os.environ | dict(PYTHONUNBUFFERED='1'),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            preexec_fn=BEFORE_TOOL,
        ) as child,
    ):
        try:
            for line in child.stdout:
                file.write(line)
                last.append(line.strip())
                on_line(line)
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise RunError(f'{tool.name} {_reason(child.returncode, last)} (see {log})')


def _reason(code: int, lines: Sequence[str]) -> str:
    if code < 0:
        return f'was ended by {signal.Signals(-code).name}'
    said = [line for line in lines if line]
    errors = [line for line in said if ERROR.match(line)]
    return f'failed with exit code {code}: ' + (errors or said or ['it said nothing'])[-1][:300]


def find_checkpoint(folder: Path, *, best: bool = True) -> str:
    """Name of the best checkpoint of a finished training, or of its last.

    Args:
        folder: of the training.
        best: prefer the best one, where there is one.

    Raises:
        RunError: if there is none.
    """
    found = list(folder.glob('best_*.pth')) if best else []
    if found:  # after a kill there can be two; the later one is the better one
        return max(found, key=lambda path: int(re.findall(r'\d+', path.stem)[-1])).name
    try:
        return Path((folder / 'last_checkpoint').read_text().strip()).name
    except FileNotFoundError:
        raise RunError(
            f'{folder} holds no checkpoint to test: switch the CheckpointHook on'
        ) from None


def find_metrics(folder: Path) -> dict[str, float]:
    """What MMEngine wrote after the newest test in the folder.

    Raises:
        RunError: if it wrote nothing.
    """
    newest = max(folder.glob('*/*.json'), default=None)  # the names are times
    if newest is None:
        raise RunError(f'{folder} holds no metrics, although the test has ended')
    return {
        key: value
        for key, value in json.loads(newest.read_text()).items()
        if key not in ('time', 'data_time') and isinstance(value, int | float) and value == value
    }


def seconds_per_iteration(folder: Path) -> float | None:
    """The median over what training logged, without the first entry after each start."""
    times = []
    for file in folder.glob('*/vis_data/scalars.json'):
        lines = file.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.endswith('}')]  # a kill may cut one
        found = [entry['time'] for entry in entries if 'loss' in entry and 'time' in entry]
        times += found[1:] or found
    return statistics.median(times) if times else None


def summarize(folds: list[dict[str, float]]) -> dict[str, dict]:
    """Compare the folds, metric by metric.

    Args:
        folds: metrics of each fold; one that is not defined in a fold is missing there.

    Returns:
        Per metric the mean and the standard deviation over the folds that have it, ``None`` where
        there are too few, and the values.
    """
    summary = {}
    for key in dict.fromkeys(key for fold in folds for key in fold):
        values = [fold.get(key) for fold in folds]
        known = [value for value in values if value is not None]
        mean = statistics.mean(known) if known else None
        std = statistics.stdev(known) if len(known) > 1 else None
        summary[key] = dict(mean=mean, std=std, folds=values)
    return summary


def write_text(file: Path, content: str) -> None:
    """Write a file that is complete or not there."""
    aside = file.with_name(file.name + '.tmp')
    aside.write_text(content)
    aside.replace(file)


def write_json(file: Path, content: dict) -> None:
    """Write a JSON file that is complete or not there."""
    write_text(file, json.dumps(content, indent=2) + '\n')
