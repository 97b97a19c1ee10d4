"""Storage backend of MMEngine that writes files atomically."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..errors import CheckpointError
from ..io.atomic import write_file


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local backend, with files that are complete or not there.

    See :func:`mmseg_attn.io.atomic.atomic_path`, which it writes with.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file.

        Raises:
            CheckpointError: If the disk is full or the folder is not writable.
        """
        try:
            write_file(filepath, obj)
        except OSError as error:
            raise CheckpointError(
                f'{filepath} ({len(obj) / 2**20:.1f} MiB) could not be written: {error.strerror}. '
                'Earlier files are intact: free disk space and continue with --resume'
            ) from error

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file; errors as for :meth:`put`."""
        self.put(obj.encode(encoding), filepath)


register_backend('atomic_local', AtomicLocalBackend, force=True)
