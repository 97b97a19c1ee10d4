"""Measure the memory of a call, and the free memory."""

import contextlib
import os
import sys
from collections.abc import Iterator

import torch
from torch._C._profiler import _EventType
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
    allocated: dict[int, int] = {}  # bytes by address
    now = most = 0
    for fields in _allocations(watch.profiler.kineto_results.experimental_event_tree()):
        if fields.alloc_size > 0:
            allocated[fields.ptr] = fields.alloc_size
            now += fields.alloc_size
        else:  # it may have been allocated before the block
            now -= allocated.pop(fields.ptr, 0)
        most = max(most, now)
    peak.bytes = most


def _allocations(roots: list) -> Iterator:
    """Yield the fields of the allocations below the roots, in order of time."""
    events, left = [], list(roots)
    while left:
        event = left.pop()
        left += event.children
        if event.typed[0] == _EventType.Allocation:
            events.append(event)
    for event in sorted(events, key=lambda event: event.start_time_ns):
        yield event.extra_fields


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
