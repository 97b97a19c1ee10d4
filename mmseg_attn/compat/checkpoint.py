"""Safe loading of checkpoints: ``weights_only=True`` always, with what MMEngine writes allowed.

Why: PyTorch 2.6 and newer load with ``weights_only=True`` and then refuse MMEngine 0.10's own
checkpoints. Older PyTorch, ``load_url`` of any version, and the onedl fork of MMEngine when its
safe load has failed, run whatever a checkpoint asks for. So this is the one part of ``compat`` that
every stack gets, the forks included.

How: MMEngine does all its loading in ``mmengine.runner.checkpoint`` (local files, http(s),
torchvision, open-mmlab, mmcls, s3, pavi), with ``torch.load`` and ``load_url``, and on the fork
with ``_safe_torch_load``. In that module, these names are ours. ``Runner.resume`` also runs, as
Python, the text that it finds as ``config`` in the meta data; so that is left out.

PyTorch before 2.4 has no allow-list that can hold ``HistoryBuffer``: there only plain state dicts
load. Before 2.6 ``weights_only`` itself can be broken out of (CVE-2025-32434), so files from
strangers need PyTorch 2.6 or newer.
"""

import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from threading import Lock
from types import ModuleType
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint

from .stand_ins import ALLOWED, RefusedError, resolve

HAS_ALLOW_LIST = hasattr(torch.serialization, 'add_safe_globals')  # torch >= 2.4
# What torch says of a file that it does not know, and of old formats that it does not read safely
FOREIGN = re.compile(r'Unsupported operand|weights_only|legacy|magic number')
_lock = Lock()  # the allow-list is one per process


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read, or that asks for more than data."""


def load_file(file: str | Path | BinaryIO, map_location: Any = None) -> Any:
    """Loads a checkpoint without running anything that it contains.

    Args:
        file: Path or open binary file.
        map_location: As for ``torch.load``.

    Raises:
        CheckpointError: If the file is damaged or no checkpoint, or asks for a global that
            MMEngine's checkpoints do not need.
        OSError: If the file is missing or may not be read.
    """
    name = file if isinstance(file, str | Path) else getattr(file, 'name', 'the checkpoint')
    try:
        _check_zip(file)
        with _allow_list():
            content = resolve(torch.load(file, map_location=map_location, weights_only=True))
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # hostile bytes can raise anything
        raise CheckpointError(f'{name} {_explain(error)}') from None
    if isinstance(content, dict) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)
    return content


def load_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True
) -> Any:
    """Downloads a checkpoint once, into torch's cache, and loads it as :func:`load_file` does."""
    folder = Path(model_dir or Path(torch.hub.get_dir(), 'checkpoints'))
    file = folder / Path(urlparse(url).path).name
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), progress=progress)
    return load_file(file, map_location)


class _SafeTorch(ModuleType):
    """``torch`` as MMEngine's checkpoint module sees it."""

    load = staticmethod(load_file)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def load_safely() -> None:
    """Makes every way in which MMEngine loads a checkpoint a safe one."""
    mmengine_checkpoint.torch = _SafeTorch('torch')
    mmengine_checkpoint.load_url = load_url
    if hasattr(mmengine_checkpoint, '_safe_torch_load'):
        mmengine_checkpoint._safe_torch_load = load_file


@contextmanager
def _allow_list() -> Iterator[None]:
    """Our stand-ins on torch's allow-list, in place of what others may have put there by name.

    ``bytearray``, which torch allows of itself, makes gigabytes of zeros from a few bytes.
    """
    if not HAS_ALLOW_LIST:
        yield
        return
    names = {_name(entry) for entry in ALLOWED}
    with _lock:
        before = torch.serialization.get_safe_globals()
        others = [entry for entry in before if _name(entry) not in names]
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others + ALLOWED)
        own = getattr(torch._weights_only_unpickler, '_get_allowed_globals', dict)()
        zeros = own.pop('builtins.bytearray', None)
        try:
            yield
        finally:
            if zeros is not None:
                own['builtins.bytearray'] = zeros
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def _name(entry: Any) -> str:
    return entry[1] if isinstance(entry, tuple) else f'{entry.__module__}.{entry.__qualname__}'


def _check_zip(file: str | Path | BinaryIO) -> None:
    """Compare what an archive claims with what it is.

    ``torch.save`` stores and never compresses, so nothing may unpack to more than it is.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            packed = [each for each in members if each.compress_type != zipfile.ZIP_STORED]
            if packed:
                name = packed[0].filename
                raise UnpicklingError(f'{name!r} in it is compressed, as in no checkpoint')
            claimed, size = sum(each.file_size for each in members), archive.fp.seek(0, os.SEEK_END)
            if claimed > size:
                raise UnpicklingError(f'it claims to hold {claimed} bytes, but has {size}')
            if not any(each.filename.endswith('data.pkl') for each in members):
                content = f'with {members[0].filename!r} in it' if members else 'with nothing in it'
                raise UnpicklingError(f'it is a zip archive {content}')
            damaged = archive.testzip()  # torch itself compares no checksums
            if damaged:
                raise UnpicklingError(f'the checksum of {damaged!r} in it is wrong')
    elif _start(file).startswith(b'PK'):
        raise UnpicklingError('its end is missing')
    if not isinstance(file, str | Path):
        file.seek(0)


def _start(file: str | Path | BinaryIO) -> bytes:
    if isinstance(file, str | Path):
        with open(file, 'rb') as opened:
            return opened.read(2)
    file.seek(0)
    return file.read(2)


def _explain(error: Exception) -> str:
    """The rest of the sentence that begins with the name of the file."""
    text = str(error)
    wanted = re.search(r'(?:GLOBAL|Unsupported class) (\S+)', text)
    if wanted or isinstance(error, RefusedError):
        name = repr(wanted[1])[:100] if wanted else text[:100]  # the file chose it
        remedy = '' if HAS_ALLOW_LIST else 'install torch 2.4 or newer, or '
        return (
            f'was not loaded because it asks for {name}, which no data of MMEngine needs: {remedy}'
            'resave it as a plain state dict where it was made, with '
            "torch.save({'state_dict': model.state_dict()}, file)"
        )
    if isinstance(error, RuntimeError | UnpicklingError | OSError):
        text = text.split('WeightsUnpickler error: ')[-1].strip()
        reason = re.split(r'\.?\s*\n|\.\s', text)[0]  # torch goes on with advice that is unsafe
        if 'alloc' in reason:
            reason = 'it asks for more memory than there is'
    if not isinstance(error, RuntimeError | UnpicklingError | OSError) or FOREIGN.search(reason):
        reason = 'it is not what torch.save writes'
    return (
        f'cannot be read as a checkpoint: {reason[:200]}; '
        'if it is damaged or incomplete, copy or download it again'
    )
