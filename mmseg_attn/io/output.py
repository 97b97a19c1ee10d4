"""Build an output folder aside and move it into place only when it is complete."""

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
_MARKER = 'unfinished-conversion'


@dataclass
class Stage:
    """The workplace of one conversion.

    Attributes:
        folder: What is written here becomes the output.
        scratch: What is written here is thrown away.
        manifest: What the manifest shall record: settings, source, counts.
        unchanged: Set at the end: the output was already there, complete and identical.
    """

    folder: Path
    scratch: Path
    manifest: dict = field(default_factory=dict)
    unchanged: bool = False


@contextlib.contextmanager
def staged_output(out: Path, *, converter: str) -> Iterator[Stage]:
    """Build ``out`` in a temporary folder beside it.

    The output carries a manifest with the checksum of every file. An older result is replaced only
    if its manifest names the same converter and nothing in it was added or changed since. Leftovers
    of killed runs are removed; after an error nothing remains.

    Args:
        out: The folder to make.
        converter: The name of the converter.

    Yields:
        The workplace to write into.

    Raises:
        DataError: If ``out`` holds something that this converter did not write.
        OSError: If the disk is full or the place cannot be written.
    """
    out = Path(out).resolve()
    _complete_manifest(out, converter)
    new_parents = [folder for folder in out.parents if not folder.exists()]
    out.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(out)
    place = Path(tempfile.mkdtemp(prefix=_prefix(out), dir=out.parent))
    lock = _lock(place)
    try:
        stage = Stage(folder=place / 'new', scratch=place / 'scratch')
        stage.folder.mkdir()
        stage.scratch.mkdir()
        yield stage
        manifest = {'converter': converter, **stage.manifest, 'files': _checksums(stage.folder)}
        (stage.folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + '\n')
        stage.unchanged = _complete_manifest(out, converter) == manifest
        if not stage.unchanged:
            _swap(stage.folder, out, aside=place / 'old')
    except DataError as error:  # the scratch folder goes: name what came from the archive
        message = str(error).replace(f'{place / "scratch"}{os.sep}', '')
        raise DataError(message.replace(f'{place / "scratch"}', 'the archive')) from error
    finally:
        lock.close()
        _discard(place)
        for folder in new_parents:
            with contextlib.suppress(OSError):  # holds the output
                folder.rmdir()


def fingerprint(files: Iterable[Path]) -> str:
    """Checksum of the names and contents of files, in their order."""
    lines = (f'{path.name} {_checksum(path)}\n' for path in files)
    return hashlib.sha256(''.join(lines).encode()).hexdigest()


def _complete_manifest(out: Path, converter: str) -> dict | None:
    """The manifest of a complete result; None where something is missing or nothing is there."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = json.loads((out / MANIFEST).read_text())
        name, recorded = manifest['converter'], dict(manifest['files'])
    except (OSError, ValueError, KeyError, TypeError):
        name, recorded = None, {}
    if name != converter:
        raise DataError(
            f'{out} holds something that this converter did not write: choose another output folder'
        )
    present = _checksums(out)
    for file, checksum in present.items():
        if recorded.get(file) != checksum:
            raise DataError(
                f'{out / file} was added or changed after the conversion: '
                'move it away or choose another output folder'
            )
    return manifest if present == recorded else None


def _checksums(folder: Path) -> dict[str, str]:
    """Checksums of all files below a folder but the manifest, by relative path."""
    sums = {}
    for root, folders, files in os.walk(folder):
        for name in files + [name for name in folders if os.path.islink(os.path.join(root, name))]:
            path = Path(root, name)
            sums[path.relative_to(folder).as_posix()] = (
                _checksum(path) if path.is_file() and not path.is_symlink() else 'no regular file'
            )
    sums.pop(MANIFEST, None)
    return dict(sorted(sums.items()))


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _swap(new: Path, out: Path, *, aside: Path) -> None:
    if out.exists():
        out.rename(aside)
    try:
        new.rename(out)
    except OSError:
        if aside.exists():
            aside.rename(out)
        raise


def _lock(place: Path) -> IO[str]:
    """Mark the folder as ours, and as in use for as long as this process lives."""
    handle = (place / _MARKER).open('w')
    if fcntl:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _prefix(out: Path) -> str:
    return f'.{out.name}.partial-'


def _remove_leftovers(out: Path) -> None:
    for place in out.parent.glob(f'{glob.escape(_prefix(out))}*'):
        try:
            with (place / _MARKER).open() as handle:
                if fcntl:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            if re.fullmatch(r'[a-z0-9_]{8}', place.name.removeprefix(_prefix(out))):
                with contextlib.suppress(OSError):  # not empty: not ours
                    place.rmdir()  # killed before the marker was made
            continue
        except OSError:  # another run is at work in it
            continue
        _discard(place)


def _discard(place: Path) -> None:
    """Remove a workplace, the marker last, so that a killed removal can be finished later."""
    for folder in place.glob('*/'):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
