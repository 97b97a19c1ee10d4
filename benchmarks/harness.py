"""Several ways of doing one thing, timed side by side.

Contenders take turns in one process, so that whatever else the machine does meets all of them; what
counts are the ratios. Each is checked before any is timed.
"""

import contextlib
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.memory import Peak, peak_memory, synchronize
from mmseg_attn.errors import DataError


@dataclass(frozen=True)
class Contender:
    """One way of doing the thing.

    Attributes:
        name: Its name in the table.
        build: Makes what it owns (weights, optimizer), and returns the call to be timed.
        check: Gets what a call returned and raises ``ValueError`` where that is wrong.
        left_out: Why it is not run here; empty: it is.
    """

    name: str
    build: Callable[[], Callable[[], Any]]
    check: Callable[[Any], None]
    left_out: str = ''


@dataclass(frozen=True)
class Row:
    """What was measured of a contender; what was not is ``None``.

    Attributes:
        name: The contender.
        median: Seconds per call.
        fastest: The least.
        slowest: The most.
        ratio: Time over the baseline's: the median of the turns' ratios.
        peak: The most bytes that the contender held at a time, what ``build`` made included.
        peak_ratio: These over the baseline's.
        note: Why it was left out.
    """

    name: str
    median: float | None = None
    fastest: float | None = None
    slowest: float | None = None
    ratio: float | None = None
    peak: int | None = None
    peak_ratio: float | None = None
    note: str = ''


def compare(
    contenders: Sequence[Contender],
    baseline: str,
    *,
    repeats: int = 5,
    device: str = 'cpu',
    least: float = 0.01,
    memory: bool = True,
    calls_before: int = 2,
) -> list[Row]:
    """Check contenders, then time them in turns.

    Args:
        contenders: Those to compare.
        baseline: Name of the one that the ratios are over.
        repeats: Number of turns.
        device: Where they run.
        least: Seconds that a turn of one contender takes at least; short calls are repeated.
        memory: Whether peak memory is measured.
        calls_before: Calls that are watched and not timed; the first makes what is made once.

    Raises:
        DataError: If a contender returns something wrong; nothing was timed then.
    """
    runs = {
        each.name: _prepare(each, device, least, memory, calls_before)
        for each in contenders
        if not each.left_out
    }
    names = list(runs)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeats):
        for i in range(len(names)):  # each turn begins with another one
            name = names[(i + turn) % len(names)]
            times[name].append(_seconds(runs[name].call, runs[name].number, device))
    peaks = {name: run.peak for name, run in runs.items()}
    return [
        Row(each.name, note=each.left_out)
        if each.left_out
        else _row(each.name, times, peaks, baseline)
        for each in contenders
    ]


class _Run(NamedTuple):
    """A contender that was found right: what is timed, how often in a turn, its peak memory."""

    call: Callable[[], Any]
    number: int
    peak: int | None


def _prepare(
    contender: Contender, device: str, least: float, memory: bool, calls_before: int
) -> _Run:
    with peak_memory(device) if memory else contextlib.nullcontext(Peak()) as peak:
        call = contender.build()
        for _ in range(calls_before):
            result = None  # two results at a time would count as the contender's memory
            begin = time.perf_counter()
            result = call()
            synchronize(device)
            seconds = time.perf_counter() - begin
    try:
        contender.check(result)
    except ValueError as error:
        raise DataError(f'{contender.name} is wrong and is not timed: {error}') from error
    del result
    if seconds < 10 * least:  # being watched takes time, too
        seconds = _seconds(call, 1, device)
    return _Run(call, max(1, math.ceil(least / seconds)), peak.bytes)


def _row(name: str, times: dict, peaks: dict, baseline: str) -> Row:
    own = times[name]
    row = Row(name, statistics.median(own), min(own), max(own), peak=peaks[name])
    if baseline not in times:
        return row
    ratio = statistics.median(a / b for a, b in zip(own, times[baseline], strict=True))
    return dataclasses.replace(
        row, ratio=ratio, peak_ratio=peaks[name] / peaks[baseline] if peaks[baseline] else None
    )


def _seconds(call: Callable[[], Any], number: int, device: str) -> float:
    """Time a call, the mean of ``number``."""
    synchronize(device)
    begin = time.perf_counter()
    for _ in range(number):
        call()
    synchronize(device)
    return (time.perf_counter() - begin) / number
