"""The command line side of a converter: exit codes, argument types, progress."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

from ...compat.checkpoint import CheckpointError
from ..errors import DataError

T = TypeVar('T')


def run_cli(main: Callable[[], None]) -> NoReturn:
    """Run a tool: one sentence on stderr and exit code 1 instead of a traceback.

    Args:
        main: The tool. ``DataError``, ``CheckpointError`` and ``OSError`` are the user's; all else
            is a defect and keeps its traceback.
    """
    from ...engine import enable_safe_loading

    enable_safe_loading()
    try:
        main()
    except (DataError, CheckpointError, OSError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('error: interrupted')
    sys.exit(0)


def at_least(minimum: int) -> Callable[[str], int]:
    """Make an argparse type for whole numbers from ``minimum`` on."""

    def integer(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f'{value} is below {minimum}')
        return value

    return integer


def progress(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items and count them on one line of stderr."""
    try:
        for done, item in enumerate(items, 1):
            sys.stderr.write(f'\r{label} {done}/{len(items)}')
            sys.stderr.flush()
            yield item
    finally:
        sys.stderr.write('\n')
