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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

from ..errors import CheckpointError
from .foreign_files import CORRECT, LEGACY, LENGTH, ZIP, describe
from .safetensors import SUFFIX, load_from_safetensors
from .stand_ins import AGAIN, RefusedError, UnreadableError, resolve
from .unpickler import Reader

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
    if isinstance(file, str | Path) and str(file).endswith(SUFFIX):
        return load_from_safetensors(file, map_location)
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
    """Check that a file is one of ``torch.save``, in the legacy format or an intact zip archive.

    ``torch.save`` never compresses, so the records cannot be larger than the file, and it writes
    each record once. Tar archives (PyTorch's format before 0.2) and TorchScript are refused, since
    PyTorch unpacks the former and executes the latter before it reads them.

    Returns:
        Function that returns the size of a storage in bytes; ``None`` for the legacy format.
    """
    start, size = _start(file)
    if start.startswith(ZIP):
        return _check_zip(file, size)
    if start and ZIP.startswith(start):
        raise UnreadableError('its end is missing')
    is_tar = start.strip(b'\0') and tarfile.is_tarfile(file)
    _rewind(file)
    if is_tar:
        raise UnreadableError(
            'it is a tar archive', f'extract the checkpoint if it is in there, or {CORRECT}'
        )
    if not start.startswith(LEGACY):
        raise UnreadableError(*describe(start, size))
    return None


def _check_zip(file: str | Path | BinaryIO, size: int) -> Callable[[str], int]:
    if not zipfile.is_zipfile(file):
        raise UnreadableError('its end is missing')
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        packed = [member for member in members if member.compress_type != zipfile.ZIP_STORED]
        if packed:
            name = packed[0].filename
            raise UnreadableError(f'{name!r} in it is compressed, which torch.save never does')
        claimed = sum(member.file_size for member in members)
        if claimed > size:
            raise UnreadableError(f'it claims to contain {claimed} bytes, but has {size}')
        if not any(name.endswith('data.pkl') for name in names):
            raise UnreadableError(
                f'it is a zip archive with {repr(names[0]) if names else "nothing"} in it',
                f'extract the checkpoint if it is in there, or {CORRECT}',
            )
        # PyTorch ignores case; which of two records it reads depends on its version
        counts = Counter(name.lower() for name in names)
        twice = next((name for name in names if counts[name.lower()] > 1), None)
        if twice is not None:
            raise UnreadableError(
                f'it contains {counts[twice.lower()]} records named {twice!r}, which torch.save '
                'never writes'
            )
        damaged = archive.testzip()  # PyTorch does not verify checksums
        if damaged:
            raise UnreadableError(f'the checksum of {damaged!r} in it is wrong')
    _rewind(file)
    records = torch._C.PyTorchFileReader(str(file) if isinstance(file, Path) else file)
    if 'constants.pkl' in records.get_all_records():
        raise RefusedError('TorchScript')
    _rewind(file)
    return lambda key: len(records.get_record(f'data/{key}'))


def _rewind(file: str | Path | BinaryIO) -> None:
    if not isinstance(file, str | Path):
        file.seek(0)


def _start(file: str | Path | BinaryIO) -> tuple[bytes, int]:
    """Return the first bytes of a file, and its size."""
    with open(file, 'rb') if isinstance(file, str | Path) else nullcontext(file) as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        start = opened.read(LENGTH)
        opened.seek(0)
    return start, size


def _explain(error: Exception) -> str:
    """Return the rest of the sentence that begins with the name of the file.

    Reasons that differ between the versions of PyTorch are left out.
    """
    if isinstance(error, RefusedError):
        return (
            f'was not loaded because it asks for {str(error)[:100]}, which no checkpoint of '
            'MMEngine needs: save it again as a plain state dict where it was made, with '
            "torch.save({'state_dict': model.state_dict()}, file)"
        )
    reason, remedy = re.split(r'\.?\s*\n|\.\s', str(error).strip())[0], AGAIN  # without advice
    if isinstance(error, UnreadableError):
        remedy = error.remedy
    elif reason.startswith('Attempting to deserialize'):
        remedy = "load it with map_location='cpu'"
    elif isinstance(error, MemoryError) or 'alloc' in reason:
        reason = 'it asks for more memory than there is'
    elif isinstance(error, EOFError) or 'unexpected EOF' in reason:
        reason = 'its end is missing'
    elif not isinstance(error, OSError):
        reason = 'its content is damaged'
    return f'cannot be read as a checkpoint: {reason[:200]}; {remedy}'
