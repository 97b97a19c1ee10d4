"""Build an output folder in a temporary folder and rename it when it is complete."""

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..errors import DataError

try:
    import fcntl
except ImportError:  # Windows: two runs into the same folder must not overlap there
    fcntl = None

MANIFEST = 'conversion.json'
BLOCK = 2**20  # bytes that are read at a time
_MARKER = 'unfinished-conversion'


@dataclass
class Stage:
    """The temporary folders of one conversion.

    Attributes:
        folder: The folder that becomes the output.
        scratch: A folder that is deleted at the end.
        manifest: Entries of the manifest, such as settings, source and counts.
        unchanged: Whether the output already existed, complete and identical; set at the end.
    """

    folder: Path
    scratch: Path
    manifest: dict = field(default_factory=dict)
    unchanged: bool = False


@contextlib.contextmanager
def staged_output(out: Path, *, converter: str) -> Iterator[Stage]:
    """Build ``out`` in a temporary folder beside it.

    The output contains a manifest with the checksum of every file. An earlier result is replaced
    only if its manifest names the same converter and no file was added or changed since. Temporary
    folders of killed runs are removed. After an error, the temporary folder is removed.

    Args:
        out: The output folder.
        converter: The name of the converter.

    Yields:
        The temporary folders.

    Raises:
        DataError: If ``out`` contains files that this converter did not write.
        OSError: If the disk is full or the folder is not writable.
    """
    out = Path(out).resolve()
    complete_manifest(out, converter)
    new_parents = [folder for folder in out.parents if not folder.exists()]
    out.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(out)
    workspace = Path(tempfile.mkdtemp(prefix=_prefix(out), dir=out.parent))
    lock = _lock(workspace)
    try:
        stage = Stage(folder=workspace / 'new', scratch=workspace / 'scratch')
        stage.folder.mkdir()
        stage.scratch.mkdir()
        yield stage
        manifest = {'converter': converter, **stage.manifest, 'files': _checksums(stage.folder)}
        (stage.folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + '\n')
        stage.unchanged = complete_manifest(out, converter) == manifest
        if not stage.unchanged:
            _swap(stage.folder, out, backup=workspace / 'old')
    except DataError as error:  # the scratch folder is deleted: name the archive instead
        message = str(error).replace(f'{workspace / "scratch"}{os.sep}', '')
        raise DataError(message.replace(f'{workspace / "scratch"}', 'the archive')) from error
    finally:
        lock.close()
        _discard(workspace)
        for folder in new_parents:
            with contextlib.suppress(OSError):  # contains the output
                folder.rmdir()


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of a file, which is created; wait while another process holds it.

    Where the system or the file system has no locks, this does nothing.
    """
    with file.open('w') as handle:
        if fcntl:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def checksum(path: Path) -> str:
    """Compute the SHA-256 of a file, as ``sha256sum`` does."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(files: Iterable[Path]) -> str:
    """Compute a checksum of the names and contents of files, in their order."""
    lines = (f'{path.name} {checksum(path)}\n' for path in files)
    return hashlib.sha256(''.join(lines).encode()).hexdigest()


def read_manifest(folder: Path) -> dict:
    """Read the manifest in a folder; empty if it is missing or damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def complete_manifest(out: Path, converter: str) -> dict | None:
    """Read the manifest of a complete result; ``None`` if a file or the folder is missing.

    Args:
        out: The output folder.
        converter: The name of the converter.

    Raises:
        DataError: If ``out`` contains files that this converter did not write, or that were
            changed since.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    manifest = read_manifest(out)
    try:
        name, recorded = manifest['converter'], dict(manifest['files'])
    except (ValueError, KeyError, TypeError):
        name, recorded = None, {}
    if name != converter:
        raise DataError(
            f'{out} contains files that this converter did not write: choose another output folder'
        )
    present = _checksums(out)
    for file, digest in present.items():
        if recorded.get(file) != digest:
            raise DataError(
                f'{out / file} was added or changed after the conversion: '
                'remove it, or choose another output folder'
            )
    return manifest if present == recorded else None


def _checksums(folder: Path) -> dict[str, str]:
    """Compute the checksums of all files below a folder, by relative path, without the manifest."""
    sums = {}
    for root, folders, files in os.walk(folder):
        for name in files + [name for name in folders if os.path.islink(os.path.join(root, name))]:
            path = Path(root, name)
            sums[path.relative_to(folder).as_posix()] = (
                checksum(path) if path.is_file() and not path.is_symlink() else 'no regular file'
            )
    sums.pop(MANIFEST, None)
    return dict(sorted(sums.items()))


def _swap(new: Path, out: Path, *, backup: Path) -> None:
    if out.exists():
        out.rename(backup)
    try:
        new.rename(out)
    except OSError:
        if backup.exists():
            backup.rename(out)
        raise


def _lock(workspace: Path) -> IO[str]:
    """Mark the folder with a file, and lock it until this process ends."""
    handle = (workspace / _MARKER).open('w')
    if fcntl:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _prefix(out: Path) -> str:
    return f'.{out.name}.partial-'


def _remove_leftovers(out: Path) -> None:
    for workspace in out.parent.glob(f'{glob.escape(_prefix(out))}*'):
        try:
            with (workspace / _MARKER).open() as handle:
                if fcntl:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            if re.fullmatch(r'[a-z0-9_]{8}', workspace.name.removeprefix(_prefix(out))):
                with contextlib.suppress(OSError):  # not empty, so not ours
                    workspace.rmdir()  # killed before the marker was made
            continue
        except OSError:  # another run is at work in it
            continue
        _discard(workspace)


def _discard(workspace: Path) -> None:
    """Remove a temporary folder, the marker last, so that a later run can finish the removal."""
    for folder in workspace.glob('*/'):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(workspace, ignore_errors=True)
