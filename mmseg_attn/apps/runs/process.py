"""Run tools as processes that end with this process, and describe the machine."""

import ctypes
import functools
import os
import platform
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch

from ...errors import RunError
from ...version import __version__

_ERROR = re.compile(r'(\w+\.)*\w*(Error|Exception|Interrupt)\b')  # last line of a traceback
_PACKAGES = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmseg')
_PR_SET_PDEATHSIG = 1
_distributions = functools.cache(packages_distributions)  # takes half a second
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
    log: Path,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> Iterator[None]:
    """Run a tool as a process, and yield again and again until it ends.

    The process ends with the iterator, and on Linux also with this process if that is killed.

    Args:
        tool: The file of the tool.
        arguments: Its arguments.
        log: A file for its output, which is appended.
        options: ``KEY=VALUE``, for its ``--cfg-options``.
        variables: Environment variables to add.
        on_line: A function that receives each line of the output.

    Raises:
        RunError: If the tool fails. The message has the last error of its output.
    """
    command = [sys.executable, str(tool), *arguments]
    command += ['--cfg-options', *options] if options else []
    lines: deque[str] = deque(maxlen=100)
    with (
        log.open('a', encoding='utf-8') as output,
        log.open(encoding='utf-8', errors='replace') as file,
    ):
        file.seek(0, os.SEEK_END)
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(PYTHONUNBUFFERED='1') | dict(variables or {}),
            preexec_fn=_end_with_parent if _libc is not None else None,
        )
        try:
            rest, ended = '', False
            while not ended:
                ended = child.poll() is not None  # before the output is read, so that none is lost
                *complete, rest = (rest + file.read()).split('\n')
                for line in complete + [rest] * (ended and bool(rest)):
                    lines.append(line)
                    on_line(line)
                if not ended:
                    yield
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if child.returncode < 0:
        reason = f'was ended by {signal.Signals(-child.returncode).name}'
    else:
        reason = f'failed with exit code {child.returncode}: {_last_error(lines)}'
    if child.returncode:
        raise RunError(f'{tool.name} {reason} (see {log})')


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the stack, by name."""
    stack = dict(Python=platform.python_version(), mmseg_attn=__version__)
    for package in _PACKAGES:
        name = _distributions().get(package, [package])[0]  # the forks have names of their own
        stack[name] = import_module(package).__version__
    return stack


def machine(threads: int | None = None) -> dict[str, Any]:
    """Describe the machine by ``CPU``, ``cores``, ``threads`` and, if there is one, ``GPU``.

    Args:
        threads: Number of PyTorch's threads; ``None`` means that of this process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    description = dict(CPU=_cpu_model(), cores=cores, threads=threads or torch.get_num_threads())
    if torch.cuda.is_available():
        description['GPU'] = f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}'
    return description


def environment() -> dict[str, str]:
    """Describe ``versions``, ``CPU`` and, if there is one, ``GPU``, ready to print."""
    description = machine()
    cpu, cores, threads = map(description.pop, ('CPU', 'cores', 'threads'))
    text = ', '.join(f'{name} {version}' for name, version in versions().items())
    return dict(versions=text, CPU=f'{cpu}, {cores} cores, PyTorch on {threads}', **description)


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
