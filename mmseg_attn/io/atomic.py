"""Write files atomically."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIX = '.unfinished'


@contextlib.contextmanager
def atomic_path(file: Path) -> Iterator[Path]:
    """Yield a path beside a file to write to, and rename it to the file at the end.

    Even if the process is killed or the disk is full, the file has either its old content or the
    complete new content. After an error, the temporary file is removed. A killed process may leave
    a file that ends in ``SUFFIX``.

    Args:
        file: The file. Missing folders above it are created.

    Raises:
        OSError: If the disk is full or the folder is not writable.
    """
    unfinished = file.with_name(file.name + SUFFIX)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open('r+b') as stream:
            os.fsync(stream.fileno())
        os.replace(unfinished, file)
        _sync_folder(file.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def write_file(file: str | Path, content: bytes | str) -> None:
    """Write a file atomically, as :func:`atomic_path` describes.

    Args:
        file: The file.
        content: Its content; text is encoded as UTF-8.

    Raises:
        OSError: If the disk is full or the folder is not writable.
    """
    with atomic_path(Path(file)) as path:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _sync_folder(folder: Path) -> None:
    """Flush the new name of a file to the disk, where the system supports it."""
    with contextlib.suppress(OSError):  # Windows and some network file systems do not
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
