"""Write files atomically: a file is complete or does not exist."""

import contextlib
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..errors import CheckpointError

SUFFIX = '.unfinished'


class AtomicLocalBackend(LocalBackend):
    """Write local files under a temporary name, flush them to the disk and rename them.

    If the process is killed or the disk is full, a file keeps its old content or has the whole new
    one. At most a temporary file that ends in ``SUFFIX`` is left behind.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file.

        Raises:
            CheckpointError: If the disk is full or the file cannot be written.
        """
        path = Path(filepath)
        temporary = path.with_name(path.name + SUFFIX)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open('wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError):
                raise CheckpointError(
                    f'{path} ({len(obj) / 2**20:.1f} MiB) could not be written: {error.strerror}. '
                    'Earlier files are intact: free disk space and continue with --resume'
                ) from error
            raise

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file; errors as for :meth:`put`."""
        self.put(obj.encode(encoding), filepath)


def _sync_folder(folder: Path) -> None:
    """Flush a renamed file's new name to the disk, where the system supports it."""
    with contextlib.suppress(OSError):  # not possible on Windows and some network file systems
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


register_backend('atomic_local', AtomicLocalBackend, force=True)
