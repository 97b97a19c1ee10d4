"""A storage backend whose files are complete or not there."""

import contextlib
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..errors import CheckpointError

SUFFIX = '.unfinished'


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, but written aside, brought to the disk and renamed.

    Whatever ends the process or fills the disk, a name stands for what it stood for before or for
    the whole new content. At the most a file that ends in ``SUFFIX`` is left behind.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file.

        Raises:
            CheckpointError: If the disk is full or the place cannot be written.
        """
        path = Path(filepath)
        aside = path.with_name(path.name + SUFFIX)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open('wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
            _sync_folder(path.parent)
        except BaseException as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            if isinstance(error, OSError):
                raise CheckpointError(
                    f'{path} ({len(obj) / 2**20:.1f} MiB) could not be written: {error.strerror}; '
                    'what was saved before is still there, so make room and go on with --resume'
                ) from error
            raise

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file; errors as for :meth:`put`."""
        self.put(obj.encode(encoding), filepath)


def _sync_folder(folder: Path) -> None:
    """Bring a renamed file's new name to the disk, where the system can."""
    with contextlib.suppress(OSError):  # no such thing on Windows and some network file systems
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


register_backend('atomic_local', AtomicLocalBackend, force=True)
