"""Run MMSegmentation's own tools and report user errors as one line."""

import re
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmengine
import mmseg
from mmengine.runner import Runner

from ..compat.warning_filters import leave_out_warnings_of_the_host
from ..datasets.building import explain_listing
from ..errors import MMSegAttnError
from .arguments import Request, read_request
from .hooks import ResumedScheduleHook
from .host_errors import FULL, INTERRUPTED, file_sentence, sentence
from .safe_loading import enable_safe_loading
from .training_record import training_record_kept

FILES = (FileNotFoundError, PermissionError)
KINDS = (FileExistsError, NotADirectoryError, IsADirectoryError)  # a file instead of a folder
# Messages of these packages about a file name it.
TELLING = Path(mmengine.__file__).resolve().parent, Path(__file__).resolve().parents[1]


def run_standard_tool(name: str) -> None:
    """Run a tool of the installed MMSegmentation on the arguments of this process.

    A user error ends the tool with exit code 1 and one sentence: missing or unusable files, data
    and options that do not fit the config, training that diverges, a full disk. An interruption
    ends it with exit code 130. All other errors keep their traceback. A resumed training follows a
    changed schedule, also if the config has no :class:`ResumedScheduleHook`.

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
        with training_record_kept(request.record), changed_schedules_followed():
            runpy.run_path(str(tool), run_name='__main__')
    except KeyboardInterrupt:
        remedy = '; run the same command with --resume to continue' if name == 'train.py' else ''
        sys.stderr.write(f'error: interrupted{remedy}\n')
        sys.exit(INTERRUPTED)
    except MMSegAttnError as error:
        sys.exit(f'error: {_last_line(error)}')
    except Exception as error:
        message = _message(error, request)
        if not message:
            raise
        sys.exit(f'error: {message}')


@contextmanager
def changed_schedules_followed() -> Iterator[None]:
    """Give every runner a :class:`ResumedScheduleHook`."""
    original = Runner.register_hooks

    def register_hooks(runner: Runner, *args: Any, **kwargs: Any) -> None:
        original(runner, *args, **kwargs)
        if not any(isinstance(hook, ResumedScheduleHook) for hook in runner.hooks):
            runner.register_hook(ResumedScheduleHook())

    Runner.register_hooks = register_hooks
    try:
        yield
    finally:
        Runner.register_hooks = original


def _message(error: Exception, request: Request) -> str:
    """Return the sentence about a user error; empty for all other errors."""
    if fault := explain_listing(error):
        return str(fault)
    if isinstance(error, FILES + KINDS) and error.filename is not None:
        return file_sentence(error)
    if isinstance(error, FILES):
        line = _last_line(error)
        checkpoint, missed, _ = line.partition(' can not be found.')  # MMEngine's words
        if missed and Path(checkpoint).is_dir():
            return f'{checkpoint} is a folder: name a checkpoint file in it'
        return line if _names_a_file(error) else ''
    if isinstance(error, OSError):
        full = error.errno in FULL
        return f'{error}: free disk space and continue with --resume' if full else ''
    return sentence(error, request.cfg, request.options)


def _last_line(error: Exception) -> str:
    """Return the message without a traceback in a data loader's worker before it.

    MMEngine 0.8 puts the class that was built before it, too.
    """
    line = (str(error).strip().splitlines() or [''])[-1]
    return re.sub(r'^(class `\w+` in \S+\.py: )+', '', line)


def _names_a_file(error: OSError) -> bool:
    """Tell whether the message names the file; messages of the operating system do."""
    raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
    telling = any(raised.is_relative_to(package) for package in TELLING)
    return telling or '[Errno' in _last_line(error)
