"""Measure the memory of a call, and the free memory."""

import contextlib
import os
import sys
from collections.abc import Iterator

import torch
from torch.profiler import ProfilerActivity, profile

from mmseg_attn.errors import DataError


def use(device: str) -> None:
    """Make a GPU the current one, which MMEngine's runner uses.

    Raises:
        DataError: If there is no such GPU.
    """
    if not device.startswith('cuda'):
        return
    index, count = torch.device(device).index or 0, torch.cuda.device_count()
    if index >= count:
        names = ', '.join(f'cuda:{i}' for i in range(count))
        raise DataError(f'--device {device}: this machine has no GPU {index}; use {names or "cpu"}')
    torch.cuda.set_device(index)


def synchronize(device: str) -> None:
    """Wait until a GPU has finished; return at once for the CPU."""
    if device.startswith('cuda'):
        torch.cuda.synchronize(device)


def free_bytes(device: str) -> int:
    """Return the free memory in bytes, including PyTorch's reserve on a GPU."""
    if device.startswith('cuda'):
        torch.cuda.empty_cache()  # memory in PyTorch's cache is not free for the driver
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


class Peak:
    """Hold the peak memory of tensors in ``bytes``, set at the end of ``peak_memory``."""

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory(device: str = 'cpu') -> Iterator[Peak]:
    """Measure the peak of the bytes that PyTorch allocates in a block.

    On the CPU PyTorch's profiler counts every allocation, including those inside operators
    (oneDNN's buffers); memory that was allocated before the block does not count. On a GPU the
    allocator counts the bytes of tensors, without its reserve.
    """
    peak = Peak()
    if device.startswith('cuda'):
        synchronize(device)
        torch.cuda.empty_cache()  # each contender begins with an empty reserve
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
        return
    watch = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
    with _silent_stderr():  # the profiler prints when it starts and stops
        watch.start()
    try:
        yield peak
    finally:
        with _silent_stderr():
            watch.stop()
    now = most = 0
    for event in watch.profiler.kineto_results.events():
        if event.name() == '[memory]':
            now += event.nbytes()
            most = max(most, now)
    peak.bytes = most


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, 'w') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
