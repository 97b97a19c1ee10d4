"""How much is done and how long the rest takes."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

ETA = re.compile(r'\(train\).*? eta: (?:(\d+) days?, )?(\d+):(\d\d):(\d\d) ')


def remaining(line: str) -> float | None:
    """Seconds that MMEngine still expects to train, from a line of its log."""
    found = ETA.search(line)
    if not found:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()


class Progress:
    """Estimates the time left of several runs, whose cost is known up to a common factor.

    The factor comes from the finished runs, until then from what the running one expects.

    Args:
        costs: of the runs, in their order, such as FLOPs times epochs.
        clock: gives the time in seconds.
    """

    def __init__(self, costs: Sequence[float], *, clock: Callable[[], float] = time.monotonic):
        self.costs = list(costs)
        self.clock = clock
        self.begin = self.begin_run = clock()
        self.spent = self.paid = 0.0  # seconds and cost of the finished runs
        self.ended = 0
        self.left_in_run: float | None = None

    def start(self) -> None:
        """The next run begins."""
        self.begin_run, self.left_in_run = self.clock(), None

    def expect(self, seconds: float) -> None:
        """The current run says how long it still takes."""
        self.left_in_run = seconds

    def end(self, *, finished: bool = True) -> None:
        """The current run is over; one that failed tells nothing about the others."""
        if finished:
            self.spent += self.clock() - self.begin_run
            self.paid += self.costs[self.ended]
        self.ended += 1
        self.left_in_run = None

    def left(self) -> float | None:
        """Seconds until all runs are over; ``None`` as long as nothing is known."""
        if self.ended == len(self.costs):
            return 0.0
        current, *others = self.costs[self.ended :]
        here = self.clock() - self.begin_run
        if self.paid:
            pace = self.spent / self.paid
        elif self.left_in_run is not None:
            pace = (here + self.left_in_run) / current
        else:
            return None
        last = self.left_in_run
        return sum(others) * pace + (max(current * pace - here, 0) if last is None else last)

    def __str__(self) -> str:
        left = self.left()
        estimate = 'time left not known yet' if left is None else f'about {_text(left)} left'
        elapsed = _text(self.clock() - self.begin)
        return f'{self.ended} of {len(self.costs)} runs done, {elapsed} elapsed, {estimate}'


def _text(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
