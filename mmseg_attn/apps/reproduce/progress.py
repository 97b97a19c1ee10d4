"""Estimate the time left of several runs."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

_ETA = re.compile(r'\(train\).*? eta: (?:(\d+) days?, )?(\d+):(\d\d):(\d\d) ')


def remaining(line: str) -> float | None:
    """Read the seconds that MMEngine still expects to train from a line of its log."""
    match = _ETA.search(line)
    if not match:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()


class Progress:
    """Estimate the time left of several runs whose relative costs are known.

    The time per cost comes from the finished runs, or else from the estimate of the current one.

    Args:
        costs: Costs of the runs, in order, such as FLOPs times epochs.
        clock: A function that returns the time in seconds.
    """

    def __init__(self, costs: Sequence[float], *, clock: Callable[[], float] = time.monotonic):
        self.costs = list(costs)
        self.clock = clock
        self.begin = self.begin_run = clock()
        self.spent = self.paid = 0.0  # seconds and cost of the finished runs
        self.ended = 0
        self.left_in_run: float | None = None

    def start(self) -> None:
        """Begin the next run."""
        self.begin_run, self.left_in_run = self.clock(), None

    def expect(self, seconds: float) -> None:
        """Set the time left of the current run, in seconds."""
        self.left_in_run = seconds

    def end(self, *, finished: bool = True) -> None:
        """End the current run; the time of a failed run is not counted."""
        if finished:
            self.spent += self.clock() - self.begin_run
            self.paid += self.costs[self.ended]
        self.ended += 1
        self.left_in_run = None

    def left(self) -> float | None:
        """Return the seconds until all runs end; ``None`` if they are unknown."""
        if self.ended == len(self.costs):
            return 0.0
        current, *others = self.costs[self.ended :]
        elapsed = self.clock() - self.begin_run
        if self.paid:
            pace = self.spent / self.paid
        elif self.left_in_run is not None:
            pace = (elapsed + self.left_in_run) / current
        else:
            return None
        in_run = self.left_in_run
        return sum(others) * pace + (max(current * pace - elapsed, 0) if in_run is None else in_run)

    def __str__(self) -> str:
        left = self.left()
        estimate = 'time left unknown' if left is None else f'about {_text(left)} left'
        elapsed = _text(self.clock() - self.begin)
        return f'{self.ended} of {len(self.costs)} runs done, {elapsed} elapsed, {estimate}'


def _text(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
