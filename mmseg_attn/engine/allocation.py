"""Memory of the CPU that is used again."""

import ctypes
import sys

# numbers of glibc's mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep memory that it frees, and use it again.

    glibc returns large blocks to the system, which clears every page when the next map of the same
    size asks for it: in the steps of a training that takes as long as some convolutions. The most
    memory that the process takes stays about the same; it takes it until it ends.

    Returns:
        Whether the system's C library could be told so; it is glibc's on most Linux systems.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(
        mallopt(option, LARGEST) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)
    )
