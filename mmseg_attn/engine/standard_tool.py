"""Run MMSegmentation's own tools and report user errors as one line."""

import errno
import runpy
import sys
import traceback
from pathlib import Path

import mmengine
import mmseg

from ..compat.warning_filters import leave_out_warnings_of_the_host
from ..errors import MMSegAttnError
from .arguments import Request, read_request
from .host_errors import sentence
from .safe_loading import enable_safe_loading
from .training_record import training_record_kept

USERS = (MMSegAttnError,)
FILES = (FileNotFoundError, PermissionError)
FULL = (errno.ENOSPC, errno.EDQUOT)
# What these packages say of a file names it.
TELLING = Path(mmengine.__file__).resolve().parent, Path(__file__).resolve().parents[1]
INTERRUPTED = 130  # as shells count what SIGINT has ended


def run_standard_tool(name: str) -> None:
    """Run a tool of the installed MMSegmentation on the arguments of this process.

    Files that are missing or cannot be used, data and options that do not fit the config, training
    that diverges and a full disk end it with exit code 1 and one sentence, an interruption with
    130; all else keeps its traceback.

    Args:
        name: The file name of the tool.
    """
    enable_safe_loading()
    leave_out_warnings_of_the_host()
    request = Request(sys.argv[1:])
    try:
        request = read_request(name, sys.argv[1:])
        sys.argv[1:] = request.argv
        tool = Path(mmseg.__file__).parent / '.mim/tools' / name
        with training_record_kept(request.record):
            runpy.run_path(str(tool), run_name='__main__')
    except KeyboardInterrupt:
        goes_on = ': --resume goes on from the last checkpoint' if name == 'train.py' else ''
        sys.stderr.write(f'error: interrupted{goes_on}\n')
        sys.exit(INTERRUPTED)
    except USERS as error:
        sys.exit(f'error: {_last_line(error)}')
    except FILES as error:
        if not _names_a_file(error):
            raise
        sys.exit(f'error: {_last_line(error)}')
    except OSError as error:
        if error.errno not in FULL:
            raise
        sys.exit(f'error: {error}: make room and go on with --resume')
    except Exception as error:
        told = sentence(error, request.cfg, request.options)
        if not told:
            raise
        sys.exit(f'error: {told}')


def _last_line(error: Exception) -> str:
    """The error; what a worker of a loader has raised comes with a traceback before it."""
    return (str(error).strip().splitlines() or [''])[-1]


def _names_a_file(error: OSError) -> bool:
    """Whether the sentence says enough; the system's does, in a worker's words too."""
    raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
    telling = any(raised.is_relative_to(package) for package in TELLING)
    return telling or error.filename is not None or '[Errno' in _last_line(error)
