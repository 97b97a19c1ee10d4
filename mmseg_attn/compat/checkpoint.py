"""Load checkpoints safely: weights and MMEngine's own records, never code.

Importing this package never calls :func:`enable`, and calls :func:`repair` only where MMEngine
cannot load its own checkpoints:

- :func:`enable` makes every way in which MMEngine loads a checkpoint safe, on every stack. All
  loading is in ``mmengine.runner.checkpoint`` (local files, http(s), torchvision, open-mmlab,
  mmcls, s3, pavi), by ``torch.load``, ``load_url`` and, on the onedl fork, ``_safe_torch_load``.
  Stock MMEngine, and the fork after a failed attempt, execute any code in a checkpoint. The tools
  of this package call it; other scripts call ``mmseg_attn.enable_safe_loading()``.
- :func:`repair` is for PyTorch 2.6 and newer with MMEngine up to 0.10.7, which refuse MMEngine's
  own checkpoints. PyTorch loads what it accepts; what it refuses is loaded safely here.

``Runner.resume`` executes the text under ``config`` in the meta data as Python; safe loading
therefore removes it.
"""

import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

from ..errors import CheckpointError
from .stand_ins import RefusedError, resolve
from .unpickler import Reader

# PyTorch's messages about files that it did not write
FOREIGN = re.compile(r'Unsupported operand|legacy|magic number|unpickling stack|pickle data was')
FORCED = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'  # torch.load then accepts no other reader


def load_file(file: str | Path | BinaryIO, map_location: Any = None) -> Any:
    """Load a checkpoint without running anything that it contains.

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
        content = _load(file, map_location)
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
    """Download a checkpoint once, into torch's cache, and load it as :func:`load_file` does."""
    folder = Path(model_dir or Path(torch.hub.get_dir(), 'checkpoints'))
    file = folder / Path(urlparse(url).path).name
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), progress=progress)
    return load_file(file, map_location)


class _Torch(ModuleType):
    """Replace ``load`` in the ``torch`` that MMEngine's checkpoint module sees."""

    def __init__(self, load: Callable) -> None:
        super().__init__('torch')
        self.load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def enable() -> None:
    """Make every way in which MMEngine loads a checkpoint safe."""
    mmengine_checkpoint.torch = _Torch(load_file)
    mmengine_checkpoint.load_url = load_url
    if hasattr(mmengine_checkpoint, '_safe_torch_load'):
        mmengine_checkpoint._safe_torch_load = load_file


def is_broken() -> bool:
    """Tell whether this PyTorch refuses the checkpoints that this MMEngine writes."""
    return digit_version(torch.__version__) >= digit_version('2.6') and not hasattr(
        mmengine_checkpoint, '_safe_torch_load'
    )


def repair() -> None:
    """Let MMEngine load its own checkpoints where PyTorch refuses them."""
    if mmengine_checkpoint.torch is torch:
        mmengine_checkpoint.torch = _Torch(_load_as_torch_or_safely)


def _load_as_torch_or_safely(file: str | Path | BinaryIO, *args: Any, **settings: Any) -> Any:
    """Call ``torch.load``, and load safely what it refuses to unpickle."""
    try:
        return torch.load(file, *args, **settings)
    except UnpicklingError:
        try:
            return _load(file, *args, **settings)
        except Exception:  # the caller knows PyTorch's own message
            pass
        raise


@contextmanager
def _custom_reader_allowed() -> Iterator[None]:
    forced = os.environ.pop(FORCED, None)
    try:
        yield
    finally:
        if forced is not None:
            os.environ[FORCED] = forced


def _load(file: str | Path | BinaryIO, map_location: Any = None) -> Any:
    reader = Reader(_check_archive(file))
    with _custom_reader_allowed():
        return resolve(torch.load(file, map_location=map_location, pickle_module=reader))


def _check_archive(file: str | Path | BinaryIO) -> Callable[[str], int] | None:
    """Check that an archive is intact; return a function that gives a storage's size in bytes.

    ``torch.save`` never compresses, so the members cannot be larger than the file. Tar archives
    (PyTorch's format before 0.2) and TorchScript are refused, since PyTorch unpacks the former and
    executes the latter before it reads them.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            packed = [member for member in members if member.compress_type != zipfile.ZIP_STORED]
            if packed:
                name = packed[0].filename
                raise UnpicklingError(f'{name!r} in it is compressed, which torch.save never does')
            claimed, size = (
                sum(member.file_size for member in members),
                archive.fp.seek(0, os.SEEK_END),
            )
            if claimed > size:
                raise UnpicklingError(f'it claims to hold {claimed} bytes, but has {size}')
            if not any(member.filename.endswith('data.pkl') for member in members):
                content = f'with {members[0].filename!r} in it' if members else 'with nothing in it'
                raise UnpicklingError(f'it is a zip archive {content}')
            damaged = archive.testzip()  # PyTorch does not verify checksums
            if damaged:
                raise UnpicklingError(f'the checksum of {damaged!r} in it is wrong')
        _rewind(file)
        records = torch._C.PyTorchFileReader(str(file) if isinstance(file, Path) else file)
        if 'constants.pkl' in records.get_all_records():
            raise RefusedError('TorchScript')
        _rewind(file)
        return lambda key: len(records.get_record(f'data/{key}'))
    if _start(file).startswith(b'PK'):
        raise UnpicklingError('its end is missing')
    _rewind(file)
    if tarfile.is_tarfile(file):
        raise UnpicklingError
    _rewind(file)
    return None


def _rewind(file: str | Path | BinaryIO) -> None:
    if not isinstance(file, str | Path):
        file.seek(0)


def _start(file: str | Path | BinaryIO) -> bytes:
    if isinstance(file, str | Path):
        with open(file, 'rb') as opened:
            return opened.read(2)
    file.seek(0)
    return file.read(2)


def _explain(error: Exception) -> str:
    """Return the rest of the sentence that begins with the name of the file."""
    if isinstance(error, RefusedError):
        return (
            f'was not loaded because it asks for {str(error)[:100]}, which no checkpoint of '
            'MMEngine needs: save it again as a plain state dict where it was made, with '
            "torch.save({'state_dict': model.state_dict()}, file)"
        )
    reason = ''
    if isinstance(error, RuntimeError | UnpicklingError | OSError | MemoryError):
        reason = re.split(r'\.?\s*\n|\.\s', str(error).strip())[0]  # PyTorch appends advice
        if 'alloc' in reason or isinstance(error, MemoryError):
            reason = 'it asks for more memory than there is'
    if not reason or FOREIGN.search(reason):
        reason = 'it is not what torch.save writes'
    return (
        f'cannot be read as a checkpoint: {reason[:200]}; '
        'if it is damaged or incomplete, copy or download it again'
    )
