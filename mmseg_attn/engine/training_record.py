"""Keep the config of a training in its work directory when a test runs there.

MMEngine's runner writes its config to ``WORK_DIR/<name of the config>.py``, in a test as well as in
a training. A test has other options, for example the model of test-time augmentation, so that the
file would no longer describe the training.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config

from .atomic_backend import AtomicLocalBackend


def dumped_config(cfg: Config, config: str | Path, work_dir: str | None) -> Path:
    """Return the path to which a tool of MMSegmentation writes its config.

    Args:
        cfg: The config.
        config: The file of the config.
        work_dir: The value of ``--work-dir``, if any.
    """
    folder = work_dir or cfg.get('work_dir') or Path('work_dirs', Path(config).stem)
    return Path(folder, Path(config).name)


@contextmanager
def training_record_kept(file: Path | None) -> Iterator[None]:
    """Restore the config of a training after a test, if the test overwrites it.

    The config of the test stays in the folder of the test, ``WORK_DIR/<time>/vis_data``.

    Args:
        file: The file that the test would write; ``None`` changes nothing.
    """
    kept = file.read_bytes() if file and file.is_file() and _holds_training(file.parent) else None
    try:
        yield
    finally:
        main = os.environ.get('RANK', '0') == '0'  # only this process writes
        if kept is not None and main and file.is_file() and file.read_bytes() != kept:
            AtomicLocalBackend().put(kept, file)


def _holds_training(folder: Path) -> bool:
    return (folder / 'last_checkpoint').is_file() or any(folder.glob('*.pth'))
