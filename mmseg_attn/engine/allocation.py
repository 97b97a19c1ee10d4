"""Keep freed CPU memory in the process, for faster training steps."""

import ctypes
import sys

# numbers of glibc's mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, and reuse it.

    glibc returns large blocks to the system, which clears every page before it hands out the memory
    again. In a training step this takes as long as some convolutions. The peak memory of the
    process stays about the same, but it is not returned before the process ends.

    Returns:
        Whether the C library has this setting; glibc, the library of most Linux systems, has it.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(
        mallopt(option, LARGEST) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)
    )
