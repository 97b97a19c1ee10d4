"""Run a tool as a process that ends with this process, and describe the machine."""

import ctypes
import os
import platform
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from types import FrameType
from typing import NoReturn

import torch

from ...errors import RunError
from ...version import __version__

_ERROR = re.compile(r'(\w+\.)*\w*(Error|Exception|Interrupt)\b')  # last line of a traceback
_PACKAGES = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmseg')
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == 'linux' else None


def end_by_signals(task: str) -> None:
    """Make signals end this process by an exception, which also ends a running tool.

    This includes SIGINT, which shells make their background processes ignore.

    Args:
        task: Name of the task in the error message.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(f'error: {task} was ended by {signal.Signals(number).name}')

    for name in ('SIGINT', 'SIGTERM', 'SIGHUP'):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), end)


def run_tool(
    tool: Path,
    *arguments: str,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    log: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> None:
    """Run a tool as a process; on Linux it ends with this process, even if that is killed.

    Args:
        tool: The file of the tool.
        arguments: Its arguments.
        options: ``KEY=VALUE``, for its ``--cfg-options``.
        variables: Environment variables to add.
        log: A file for its output, which is appended; ``None`` prints the output.
        on_line: A function that receives each line of the output, if there is a log.

    Raises:
        RunError: If the tool fails. The message has the last error of its output, if there is a
        log.
    """
    command = [sys.executable, str(tool), *arguments]
    command += ['--cfg-options', *options] if options else []
    settings = dict(
        env=os.environ | dict(variables or {}),
        preexec_fn=_end_with_parent if _libc is not None else None,
    )
    lines: deque[str] = deque(maxlen=100)

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    if log is None:
        code = subprocess.run(command, **settings).returncode
    else:
        code = _run_with_log(command, settings, log, keep)
    if code < 0:
        reason = f'was ended by {signal.Signals(-code).name}'
    else:
        reason = f'failed with exit code {code}' + (f': {_last_error(lines)}' if log else '')
    if code:
        raise RunError(f'{tool.name} {reason} (see {log or "above"})')


def environment() -> dict[str, str]:
    """Describe ``versions``, ``CPU`` and, if there is one, ``GPU``, ready to print."""
    distributions = packages_distributions()
    versions = [f'Python {platform.python_version()}', f'mmseg_attn {__version__}']
    for package in _PACKAGES:
        name = distributions.get(package, [package])[0]  # the forks have names of their own
        versions.append(f'{name} {import_module(package).__version__}')
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    machine = dict(
        versions=', '.join(versions),
        CPU=f'{_cpu_model()}, {cores} cores, PyTorch on {torch.get_num_threads()}',
    )
    if torch.cuda.is_available():
        machine['GPU'] = f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}'
    return machine


def _run_with_log(
    command: Sequence[str], settings: dict, log: Path, on_line: Callable[[str], None]
) -> int:
    settings['env']['PYTHONUNBUFFERED'] = '1'
    with (
        log.open('a', encoding='utf-8') as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            **settings,
        ) as child,
    ):
        try:
            for line in child.stdout:
                file.write(line)
                on_line(line)
        except BaseException:
            child.kill()
            raise
    return child.returncode


def _last_error(lines: Iterable[str]) -> str:
    texts = [line.strip() for line in lines if line.strip()]
    errors = [line for line in texts if _ERROR.match(line)]
    return (errors or texts or ['no output'])[-1][:300]


def _end_with_parent() -> None:
    """Let Linux kill the new process when its parent ends, even if the parent is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _cpu_model() -> str:
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()
