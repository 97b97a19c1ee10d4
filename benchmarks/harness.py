"""Time several implementations of the same operation side by side.

Contenders take turns in one process, so that other load on the machine affects all of them; compare
the ratios. All contenders are checked before any is timed.
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
    """Describe one implementation of the operation.

    Attributes:
        name: Name in the table.
        build: Function that builds weights and optimizer, and returns the call to time.
        check: Function that raises ``ValueError`` if the result of a call is wrong.
        left_out: Reason for not running it here; empty if it runs.
    """

    name: str
    build: Callable[[], Callable[[], Any]]
    check: Callable[[Any], None]
    left_out: str = ''


@dataclass(frozen=True)
class Row:
    """Hold the measurements of a contender; ``None`` means not measured.

    Attributes:
        name: Name of the contender.
        median: Median time of a call in seconds.
        fastest: Time of the fastest call in seconds.
        slowest: Time of the slowest call in seconds.
        ratio: Time relative to the baseline: median of the ratios of the turns.
        peak: Peak memory in bytes, including the objects that ``build`` made.
        peak_ratio: Peak memory relative to the baseline.
        note: Reason for leaving it out.
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
        contenders: Contenders to compare.
        baseline: Name of the contender that the ratios are relative to.
        repeats: Number of turns.
        device: Device that they run on.
        least: Minimum duration of a turn in seconds; short calls are repeated.
        memory: Whether to measure peak memory.
        calls_before: Number of calls before the timing, in which memory is measured.

    Returns:
        One row per contender.

    Raises:
        DataError: If the result of a contender is wrong; nothing is timed then.
    """
    runs = {
        contender.name: _prepare(contender, device, least, memory, calls_before)
        for contender in contenders
        if not contender.left_out
    }
    names = list(runs)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeats):
        for i in range(len(names)):  # each turn begins with another contender
            name = names[(i + turn) % len(names)]
            times[name].append(_seconds(runs[name].call, runs[name].number, device))
    peaks = {name: run.peak for name, run in runs.items()}
    return [
        Row(contender.name, note=contender.left_out)
        if contender.left_out
        else _row(contender.name, times, peaks, baseline)
        for contender in contenders
    ]


class _Run(NamedTuple):
    """Hold a checked contender: the call, its number of repetitions in a turn, peak memory."""

    call: Callable[[], Any]
    number: int
    peak: int | None


def _prepare(
    contender: Contender, device: str, least: float, memory: bool, calls_before: int
) -> _Run:
    with peak_memory(device) if memory else contextlib.nullcontext(Peak()) as peak:
        call = contender.build()
        for _ in range(calls_before):
            result = None  # otherwise two results would count as peak memory
            begin = time.perf_counter()
            result = call()
            synchronize(device)
            seconds = time.perf_counter() - begin
    try:
        contender.check(result)
    except ValueError as error:
        raise DataError(
            f'the result of {contender.name} is wrong, so nothing is timed: {error}'
        ) from error
    del result
    if seconds < 10 * least:  # measuring memory takes time, too
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
    """Return the mean time of ``number`` calls in seconds."""
    synchronize(device)
    begin = time.perf_counter()
    for _ in range(number):
        call()
    synchronize(device)
    return (time.perf_counter() - begin) / number
