"""MMSegmentation's own tools, where the user's faults end in one sentence."""

import errno
import runpy
import sys
from pathlib import Path

import mmseg

from ..compat.checkpoint import CheckpointError
from ..datasets.errors import DataError
from .hooks.divergence_hook import DivergenceError

USERS = (CheckpointError, DataError, DivergenceError, FileNotFoundError, PermissionError)
FULL = (errno.ENOSPC, errno.EDQUOT)


def run_standard_tool(name: str) -> None:
    """Run a tool of the installed MMSegmentation on the arguments of this process.

    Files that are missing or cannot be used, data that do not fit the config, training that
    diverges and a full disk end it with exit code 1 and one sentence; all else keeps its traceback.

    Args:
        name: The file name of the tool.
    """
    try:
        runpy.run_path(str(Path(mmseg.__file__).parent / '.mim/tools' / name), run_name='__main__')
    except USERS as error:
        # what a worker of a loader has raised comes with a traceback, whose last line it is
        sys.exit(f'error: {str(error).strip().splitlines()[-1]}')
    except OSError as error:
        if error.errno not in FULL:
            raise
        sys.exit(f'error: {error}: make room and go on with --resume')
