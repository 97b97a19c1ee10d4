"""The config that MMEngine writes into the work folder: a test must not replace a training's.

Whoever runs MMEngine's runner writes its config to ``WORK_DIR/<name of the config>.py``, a test as
well as a training. A test has other options, the model of test-time augmentation for one, so that
afterwards the file tells no more what was trained.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config

from .atomic_backend import AtomicLocalBackend


def dumped_config(cfg: Config, config: str | Path, work_dir: str | None) -> Path:
    """Name the file that a tool of MMSegmentation writes.

    Args:
        cfg: The config.
        config: Its file.
        work_dir: What ``--work-dir`` says, if anything.
    """
    folder = work_dir or cfg.get('work_dir') or Path('work_dirs', Path(config).stem)
    return Path(folder, Path(config).name)


@contextmanager
def training_record_kept(file: Path | None) -> Iterator[None]:
    """Put the config of a training back after a test, if the test replaces it.

    What the test was run with stays in the folder of the test, ``WORK_DIR/<time>/vis_data``.

    Args:
        file: What the test would write; ``None`` changes nothing.
    """
    kept = file.read_bytes() if file and file.is_file() and _holds_training(file.parent) else None
    try:
        yield
    finally:
        main = os.environ.get('RANK', '0') == '0'  # of several processes, the one that writes
        if kept is not None and main and file.is_file() and file.read_bytes() != kept:
            AtomicLocalBackend().put(kept, file)


def _holds_training(folder: Path) -> bool:
    return (folder / 'last_checkpoint').is_file() or any(folder.glob('*.pth'))
