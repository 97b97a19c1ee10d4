"""Checkpoints that nobody should take: what runs if they are believed, and what is damaged."""

import functools
import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import HistoryBuffer


class Call:
    """Is pickled as a call, with a state to be set on the result if there is one."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments, state)

    def __reduce__(self):
        return self.parts[: 2 if self.parts[2] is None else 3]

    def __call__(self):
        """Only so that pickle takes a call for a function."""


def make_folder(marker: Path | str) -> Call:
    return Call(os.mkdir, str(marker))


def get(owner, name) -> Call:
    return Call(getattr, owner, name)


def open_by_getattr(marker: str) -> Call:
    """HistoryBuffer.__init__.__globals__['__builtins__']['open'](marker, 'w')."""
    names = get(get(HistoryBuffer, '__init__'), '__globals__')
    builtins = Call(get(names, 'get'), '__builtins__')
    return Call(Call(get(builtins, 'get'), 'open'), marker, 'w')


def in_history(marker: str) -> HistoryBuffer:
    buffer = HistoryBuffer([1.0], [1])
    buffer.more = Call(os.system, f'touch {marker}')
    return buffer


def in_tensor(marker: str) -> torch.Tensor:
    tensor = torch.zeros(2)
    tensor.more = Call(eval, f'open({marker!r}, "w")')
    return tensor


# What a file asks for, and a content that makes the file ``marker`` if it is believed.
PROGRAMS = {
    'posix.system': lambda m: Call(os.system, f'touch {m}'),
    'eval': lambda m: [dict(deep=(Call(eval, f'open({m!r}, "w")'),))],
    'exec': lambda m: Call(exec, f'open({m!r}, "w")'),
    'open': lambda m: Call(open, m, 'w'),
    'check_call': lambda m: Call(subprocess.check_call, ['touch', m]),
    'functools.partial': lambda m: Call(Call(functools.partial, open, m, 'w')),
    'pickle.loads': lambda m: Call(pickle.loads, pickle.dumps(Call(open, m, 'w'))),
    'pathlib': lambda m: Call(Path.touch, Path(m)),
    "getattr(HistoryBuffer, '__init__')": open_by_getattr,
    'numpy.dtype': lambda m: np.array([Call(os.system, f'touch {m}')], dtype=object),
    'posix.system ': in_history,
    'eval ': in_tensor,
}


def zip_in_zip(file: Path) -> None:
    inner = file.rename(file.with_name('inner.pth'))
    with zipfile.ZipFile(file, 'w') as archive:
        archive.write(inner, 'inner.pth')
    inner.unlink()


def claim(file: Path, size: int) -> None:
    """Let the directory of a zip archive say that its last record has so many bytes."""
    with zipfile.ZipFile(file, 'a') as archive:
        record = archive.filelist[-1]
        record.file_size = record.compress_size = size
        archive._didModify = True


def cut(file: Path, part: float) -> None:
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
