"""Check that the machine is idle: other processes on its cores distort the timings."""

import os
import time
from pathlib import Path

LIMIT = 0.25  # cores
STAT = Path('/proc/stat')


class OtherLoad:
    """Count the cores that other processes use since this object was created.

    Other processes are all except this one and those that it has started. Linux only.
    """

    def __init__(self) -> None:
        self._begin = time.perf_counter(), _others()

    def cores(self) -> float | None:
        """Return the mean number of cores; ``None`` if the system does not report it."""
        (then, before), now, others = self._begin, time.perf_counter(), _others()
        if before is None or others is None:
            return None
        return max(0.0, (others - before) / (now - then))


def look(seconds: float = 0.2) -> float | None:
    """Return the number of cores that other processes use over a short time."""
    load = OtherLoad()
    time.sleep(seconds)
    return load.cores()


def warning(cores: float | None) -> str:
    """Return a warning if the machine is not idle; empty if it is, or if this is unknown."""
    if cores is None or cores <= LIMIT:
        return ''
    return (
        f'other processes use {cores:.1f} of {os.cpu_count()} cores: the timings are too '
        'long and vary; end these processes, or use only the ratios'
    )


def _others() -> float | None:
    """Return the seconds of processor time of other processes since the system was started."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, *interrupts = map(int, STAT.read_text().split('\n')[0].split()[1:9])
    ticks = os.sysconf('SC_CLK_TCK')
    return (user + nice + system + sum(interrupts)) / ticks - _own(ticks)


def _own(ticks: int) -> float:
    """Return the seconds of processor time of this process and its descendants."""
    parents, seconds = {}, {}
    for file in STAT.parent.glob('[0-9]*/stat'):
        try:
            fields = file.read_text().rpartition(')')[2].split()  # a name may contain blanks
        except OSError:
            continue  # it has ended
        process = int(file.parent.name)
        parents[process] = int(fields[1])
        seconds[process] = sum(map(int, fields[11:15])) / ticks  # user, system, and ended children
    own, total = [os.getpid()], 0.0
    while own:
        process = own.pop()
        total += seconds.get(process, 0.0)
        own += [child for child, parent in parents.items() if parent == process]
    return total
