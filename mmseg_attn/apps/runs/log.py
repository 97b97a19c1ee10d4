"""Read the log of a training: losses and metrics over all launches."""

import csv
import json
import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

PER_CLASS = 'IoU.'  # prefix of the IoU of a class

_TIMESTAMP = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - ', re.M)
_RESUMED = re.compile(r'resumed epoch: \d+, iter: (\d+)')
_ENVIRONMENT = re.compile(r'^ {4}([\w ,]+): (.*)$', re.M)
_RULE = '-' * 60  # MMEngine prints one above and one below the description of the machine
_PLAN = re.compile(r'\b(max_iters|val_interval)=(\d+)')  # in the text of a config
_VAL_INTERVAL = 1000  # of MMEngine's IterBasedTrainLoop by default
_MODES = ('train/', 'val/')  # prefixes of MMEngine's log_with_hierarchy


class Launch:
    """One start of a training, with the folder that MMEngine names by the time.

    Args:
        folder: The folder, ``WORK_DIR/20240102_030405``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def text(self) -> str:
        """The log as text; empty without a log."""
        files = sorted(self.folder.glob('*.log'))
        return '\n'.join(file.read_text(encoding='utf-8', errors='replace') for file in files)

    @cached_property
    def entries(self) -> list[dict]:
        """The logged scalars, oldest first; read from ``per_class.csv`` without scalars.json."""
        scalars, table = self.folder / 'vis_data' / 'scalars.json', self.folder / 'per_class.csv'
        if scalars.is_file():
            return list(_read_scalars(scalars.read_text(encoding='utf-8', errors='replace')))
        return _read_per_class(table) if table.is_file() else []

    @cached_property
    def plan(self) -> dict[str, int]:
        """``max_iters`` and ``val_interval`` of a training that is counted by iteration."""
        config = self.folder / 'vis_data' / 'config.py'
        text = config.read_text(encoding='utf-8', errors='replace') if config.is_file() else ''
        plan = {key: int(number) for key, number in _PLAN.findall(text or self.text)}
        return dict(val_interval=_VAL_INTERVAL) | plan if 'max_iters' in plan else {}

    @property
    def resumed_at(self) -> int | None:
        """The iteration it resumed from, 0 if it did not resume; ``None`` without a log."""
        if match := _RESUMED.search(self.text):
            return int(match[1])
        return 0 if self.text else None

    @property
    def begin(self) -> int | None:
        """The iteration before its first one, 0 if it did not resume; ``None`` without losses."""
        first = next((entry['iter'] for entry in self.entries if _is_loss(entry)), None)
        if first is None or self.resumed_at is None:
            return first and first - 1
        return self.resumed_at

    @cached_property
    def environment(self) -> dict[str, str]:
        """MMEngine's description of the machine: ``PyTorch``, ``GPU 0``, ``seed`` and others."""
        _, _, rest = self.text.partition(_RULE)
        return dict(_ENVIRONMENT.findall(rest.partition(_RULE)[0]))

    @cached_property
    def times(self) -> list[datetime]:
        """The timestamps of the lines of the log."""
        stamps = _TIMESTAMP.findall(self.text)
        return [datetime.strptime(stamp, '%Y/%m/%d %H:%M:%S') for stamp in stamps]

    @property
    def seconds(self) -> float:
        """The time from the first to the last line of the log."""
        return (self.times[-1] - self.times[0]).total_seconds() if self.times else 0.0


def find_launches(work_dir: Path) -> list[Launch]:
    """Find the launches of the last training in a work directory, oldest first, without tests.

    A launch that did not resume begins another training.
    """
    launches = [Launch(folder) for folder in sorted(work_dir.glob('*/'))]  # the names are times
    launches = [launch for launch in launches if launch.entries]
    first = max((i for i, launch in enumerate(launches) if launch.begin == 0), default=0)
    return launches[first:]


@dataclass
class Log:
    """The curves of a training, without the iterations that a later launch repeated.

    Attributes:
        losses: The logged values of the training, by iteration.
        scores: Metrics of the validations, by epoch or iteration.
        by_epoch: Whether the training is validated and counted by epoch.
        epoch_length: Lower bound of the iterations per epoch; 1 if counted by iteration.
    """

    losses: dict[int, dict]
    scores: dict[int, dict]
    by_epoch: bool
    epoch_length: int = 1

    @property
    def unit(self) -> str:
        """'epoch' or 'iteration'."""
        return 'epoch' if self.by_epoch else 'iteration'

    @property
    def classes(self) -> list[str]:
        """Names of the classes that have an IoU."""
        keys = dict.fromkeys(key for entry in self.scores.values() for key in entry)
        return [key.removeprefix(PER_CLASS) for key in keys if key.startswith(PER_CLASS)]

    def curve(self, key: str, unit: str) -> tuple[list[float], list[float]]:
        """Return the steps and the finite values of a loss or a metric.

        Args:
            key: Its name in the log.
            unit: 'iteration', or 'epoch' if the training is counted by epoch.
        """
        per_loss = 1 / self.epoch_length if unit == 'epoch' else 1
        per_score = self.epoch_length if self.by_epoch and unit == 'iteration' else 1
        points = [
            (step * scale, entry[key])
            for entries, scale in ((self.losses, per_loss), (self.scores, per_score))
            for step, entry in entries.items()
            if isinstance(entry.get(key), int | float) and math.isfinite(entry[key])
        ]
        return [step for step, _ in points], [value for _, value in points]

    def best(self, key: str = 'mIoU') -> tuple[int, float] | None:
        """Return step and value of the largest value of a metric; ``None`` if it has no value."""
        steps, values = self.curve(key, self.unit)
        return max(zip(steps, values, strict=True), key=lambda point: point[1], default=None)


def join(launches: Sequence[Launch]) -> Log:
    """Join the launches of a training, oldest first, into one log.

    A launch that resumed replaces the entries after the iteration that it resumed from. Any other
    launch replaces all entries.
    """
    entries: list[dict] = []
    for launch in launches:
        if (begin := launch.begin) is not None:
            repeated = (i for i, e in enumerate(entries) if _is_loss(e) and e['iter'] > begin)
            entries = entries[: next(repeated, len(entries))] if begin else []
        entries += _with_iterations(launch)
    losses = {entry['iter']: entry for entry in entries if _is_loss(entry)}
    validations = list(_validations(entries))
    epochs = {entry['iter']: entry['epoch'] for entry in losses.values() if entry.get('epoch')}
    steps_are_iterations = all(entry['step'] >= last.get('iter', 0) for last, entry in validations)
    # MMEngine may write an epoch 1 in a training that is counted by iteration
    if steps_are_iterations and max(epochs.values(), default=1) == 1:
        scores = {entry['step']: entry for _, entry in validations}
        return Log(losses, dict(sorted(scores.items())), by_epoch=False)
    scores, lengths = {}, [iteration / epoch for iteration, epoch in epochs.items()]
    for last, entry in validations:
        iteration, epoch = last.get('iter', 1), entry['step']
        if steps_are_iterations:
            iteration, epoch = entry['step'], last.get('epoch', 1)
        scores[epoch] = entry
        lengths.append(iteration / epoch)
    return Log(losses, dict(sorted(scores.items())), True, math.ceil(max(lengths)))


def _validations(entries: Sequence[dict]) -> Iterator[tuple[dict, dict]]:
    """Yield each validation after the last entry of the training before it."""
    last: dict = {}
    for entry in entries:
        if _is_loss(entry):
            last = entry
        elif 'step' in entry:
            yield last, entry


def _with_iterations(launch: Launch) -> Iterator[dict]:
    """Yield the entries of a launch, with the iterations of its validations.

    With ``log_metric_by_epoch`` of MMEngine's LoggerHook, which is the default, all validations of
    a training that is counted by iteration have the step 0. They follow the last logged iteration,
    at a multiple of ``val_interval`` or at the end of the training.
    """
    interval = launch.plan.get('val_interval', 1)
    end = launch.plan.get('max_iters', math.inf)
    least = (launch.resumed_at or 0) + 1
    for i, entry in enumerate(launch.entries):
        if _is_loss(entry):
            least = max(least, entry['iter'])
        elif entry.get('step') == 0:
            later = (following['iter'] for following in launch.entries[i:] if _is_loss(following))
            step = min(-(-least // interval) * interval, end)
            if step >= next(later, math.inf):  # validated at other intervals, too
                step = least
            least = step + 1
            entry = dict(entry, step=step)
        yield entry


def seconds_per_iteration(launches: Sequence[Launch]) -> float | None:
    """Return the median time of an iteration, without the first entry after each launch."""
    times: list[float] = []
    for launch in launches:
        logged = [entry['time'] for entry in launch.entries if 'loss' in entry and 'time' in entry]
        times += logged[1:] or logged
    return statistics.median(times) if times else None


def _is_loss(entry: dict) -> bool:
    return 'loss' in entry and 'iter' in entry


def _read_scalars(text: str) -> Iterator[dict]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # a killed process may leave half a line
            continue
        if isinstance(entry, dict):
            for mode in _MODES:
                entry = {key.removeprefix(mode): value for key, value in entry.items()}
            yield entry


def _read_per_class(table: Path) -> list[dict]:
    """Read the validations that ``PerClassCSVHook`` wrote, in the format of the scalars."""
    entries: dict[int, dict] = {}
    with table.open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            if row['split'] == 'val' and row.get('IoU'):
                entry = entries.setdefault(int(row['iter']), dict(step=int(row['iter'])))
                entry[f'{PER_CLASS}{row["class"]}'] = float(row['IoU'])
    for entry in entries.values():
        entry['mIoU'] = statistics.mean(value for key, value in entry.items() if key != 'step')
    return list(entries.values())
