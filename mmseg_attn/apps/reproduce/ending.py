"""A tool that another one runs ends when that one does."""

import ctypes
import signal
import sys
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == 'linux' else None


def end_by_signals(what: str) -> None:
    """Make signals end this process by an exception, on whose way a running tool is ended.

    SIGINT as well, which shells make the processes in their background ignore.

    Args:
        what: What then was ended, for the message.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(f'error: {what} was ended by {signal.Signals(number).name}')

    for name in ('SIGINT', 'SIGTERM', 'SIGHUP'):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), end)


def end_with_parent() -> None:
    """In a new process: be killed when the parent ends, even if that is killed; on Linux."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


BEFORE_TOOL = end_with_parent if _libc is not None else None  # Windows takes no preexec_fn
