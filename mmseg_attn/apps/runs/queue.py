"""Run several jobs, one after the other or side by side, and estimate the time left."""

import os
import re
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import torch

from ...engine.host_errors import user_sentence
from .job import Job
from .record import Record

_ETA = re.compile(r'\(train\).*? eta: (?:(\d+) days?, )?(\d+):(\d\d):(\d\d) ')
_QUIET = 30  # seconds between two lines of progress of a run
_POLL = 0.2  # seconds between two looks at the running tools


@dataclass
class Outcome:
    """What became of the jobs.

    Attributes:
        failed: A line for every run that failed.
        left: Number of runs that were not started.
    """

    failed: list[str] = field(default_factory=list)
    left: int = 0


def run_jobs(
    jobs: Sequence[Job],
    tools: Path,
    *,
    on_record: Callable[[Record], None],
    say: Callable[[str], None],
    is_done: Callable[[Job], bool] = lambda job: False,
    parallel: int = 1,
    hours: float | None = None,
    restart: bool = False,
) -> Outcome:
    """Run jobs; if one fails, the others still run.

    Args:
        jobs: The jobs, in order.
        tools: The folder of ``train.py`` and ``test.py``.
        on_record: A function that receives the record of each finished run; if it fails, the run
            counts as failed.
        say: A function that prints a line.
        is_done: Whether a job was done meanwhile by another process.
        parallel: Number of runs side by side; if several, each has one thread, and on a machine
            with several GPUs a GPU of its own.
        hours: Time after which no run is started; ``None`` means no limit.
        restart: Whether to train again if the code has changed since the training began.
    """
    outcome, progress = Outcome(), Progress([job.cost for job in jobs], parallel)
    waiting = list(enumerate(jobs))
    running: dict[int, tuple[int, Iterator[None]]] = {}  # by slot
    deadline = None if hours is None else time.monotonic() + 3600 * hours
    try:
        while waiting or running:
            for slot in set(range(parallel)) - running.keys():
                while waiting and is_done(waiting[0][1]):
                    number, job = waiting.pop(0)
                    say(f'{job.title}: finished by another process')
                    progress.end(number, finished=False)
                if waiting and (deadline is None or time.monotonic() < deadline):
                    number, job = waiting.pop(0)
                    say(f'{job.title}: started. {progress}')
                    progress.start(number)
                    steps = job.run(
                        tools,
                        variables=_variables(slot, parallel),
                        on_line=_watch(progress, number, job.title, say),
                        restart=restart,
                    )
                    running[slot] = number, _record(steps, on_record)
            if not running:
                break
            for slot, (number, steps) in list(running.items()):
                try:
                    next(steps)
                except StopIteration:
                    del running[slot]
                    progress.end(number)
                except Exception as error:
                    del running[slot]
                    progress.end(number, finished=False)
                    outcome.failed.append(f'{jobs[number].title}: {_reason(error)}')
                    say(f'failed: {outcome.failed[-1]}')
            time.sleep(_POLL)
    finally:
        for _, steps in running.values():
            steps.close()
    outcome.left = len(waiting)
    say(str(progress))
    return outcome


def remaining(line: str) -> float | None:
    """Read the seconds that MMEngine still expects to train from a line of its log."""
    match = _ETA.search(line)
    if not match:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()


class Progress:
    """Estimate the time left of several runs whose relative costs are known.

    The time per cost comes from the finished runs, or else from the estimate of a running one.

    Args:
        costs: Costs of the runs, in order, such as FLOPs times epochs.
        parallel: Number of runs side by side.
        clock: A function that returns the time in seconds.
    """

    def __init__(
        self,
        costs: Sequence[float],
        parallel: int = 1,
        *,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.costs = list(costs) if all(costs) else [1.0] * len(costs)  # some are unknown
        self.parallel = parallel
        self.clock = clock
        self.begin = clock()
        self.waiting = set(range(len(costs)))
        self.running: dict[int, tuple[float, float | None]] = {}  # begin, seconds left
        self.spent = self.paid = 0.0  # seconds and cost of the finished runs

    def start(self, number: int) -> None:
        """Begin a run."""
        self.waiting.remove(number)
        self.running[number] = self.clock(), None

    def expect(self, number: int, seconds: float) -> None:
        """Set the time left of a running run, in seconds."""
        self.running[number] = self.running[number][0], seconds

    def end(self, number: int, *, finished: bool = True) -> None:
        """End a run; the time of one that failed is not counted."""
        self.waiting.discard(number)
        begin, _ = self.running.pop(number, (0.0, None))
        if finished:
            self.spent += self.clock() - begin
            self.paid += self.costs[number]

    def left(self) -> float | None:
        """Return the seconds until all runs end; ``None`` if they are unknown."""
        if not self.waiting and not self.running:
            return 0.0
        pace = self._pace()
        if pace is None:
            return None
        now, runs = self.clock(), [self.costs[number] * pace for number in self.waiting]
        for number, (begin, expected) in self.running.items():
            estimate = max(self.costs[number] * pace - (now - begin), 0.0)
            runs.append(estimate if expected is None else expected)
        return max(sum(runs) / self.parallel, *runs)

    def _pace(self) -> float | None:
        """Return the seconds per cost; ``None`` if unknown."""
        if self.paid:
            return self.spent / self.paid
        for number, (begin, expected) in self.running.items():
            if expected is not None:
                return (self.clock() - begin + expected) / self.costs[number]
        return None

    def __str__(self) -> str:
        left, total = self.left(), len(self.costs)
        estimate = 'time left unknown' if left is None else f'about {_text(left)} left'
        done = total - len(self.waiting) - len(self.running)
        return (
            f'{done} of {total} runs done, {_text(self.clock() - self.begin)} elapsed, {estimate}'
        )


def _record(
    steps: Generator[None, None, Record], on_record: Callable[[Record], None]
) -> Iterator[None]:
    on_record((yield from steps))


def _reason(error: Exception) -> str:
    """Return the reason of a failure; that of a defect of this package with its traceback."""
    if message := user_sentence(error):
        return message
    traceback.print_exception(error)
    return f'{type(error).__name__}: {error}'


def _watch(
    progress: Progress, number: int, title: str, say: Callable[[str], None]
) -> Callable[[str], None]:
    """Return a function that receives the lines of a run's output and prints its progress."""
    last = time.monotonic()

    def on_line(line: str) -> None:
        nonlocal last
        seconds = remaining(line)
        if seconds is not None:
            progress.expect(number, seconds)
            if time.monotonic() >= last + _QUIET:
                step = line.split(' - ')[-1].rpartition(']  ')[0] + ']'  # before the learning rate
                say(f'{title}: {step}. {progress}')
                last = time.monotonic()

    return on_line


def _variables(slot: int, parallel: int) -> dict[str, str]:
    """Return the environment of a run beside others: one thread, and one of several GPUs."""
    if parallel == 1:
        return {}
    count = torch.cuda.device_count()
    gpus = os.environ.get('CUDA_VISIBLE_DEVICES', ','.join(map(str, range(count)))).split(',')
    gpu = dict(CUDA_VISIBLE_DEVICES=gpus[slot % count]) if count > 1 else {}
    return dict(OMP_NUM_THREADS='1') | gpu


def _text(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
