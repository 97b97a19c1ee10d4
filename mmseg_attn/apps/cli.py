"""The command line side of a converter: exit codes, argument types, progress."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

from ..compat.warning_filters import leave_out_warnings_of_the_host
from ..errors import MMSegAttnError

T = TypeVar('T')


def run_cli(main: Callable[[], None]) -> NoReturn:
    """Run a tool: one sentence on stderr and exit code 1 instead of a traceback.

    Args:
        main: The tool. Errors of this package and ``OSError`` are the user's; all others are
            defects and keep their traceback.
    """
    from ..engine import enable_safe_loading

    enable_safe_loading()
    leave_out_warnings_of_the_host()
    try:
        main()
    except (MMSegAttnError, OSError) as error:
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
    """Yield the items and count them on stderr.

    On a terminal it is one line that changes; in a file, a line for every tenth of the items, and
    one for the item at which an error ends the loop.
    """
    total, live = len(items), sys.stderr.isatty()
    done = told = 0
    try:
        for done, item in enumerate(items, 1):
            if live:
                sys.stderr.write(f'\r{label} {done}/{total}')
                sys.stderr.flush()
            elif 10 * done // total > 10 * (done - 1) // total:
                told = done
                sys.stderr.write(f'{label} {done}/{total}\n')
            yield item
    finally:
        if live:
            sys.stderr.write('\n')
        elif told < done:
            sys.stderr.write(f'{label} {done}/{total}\n')
