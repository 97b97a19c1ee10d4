"""Load the labeled images of a split in their order, for tools that compare predictions."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ...datasets.building import explain_listing
from ...errors import DataError
from ...evaluation.metrics.maps import label_maps

# Errors of checkpoints, datasets, loaders and PyTorch for invalid input
_REFUSALS = (RuntimeError, OSError, ValueError, AssertionError, KeyError)


def split_loader(cfg: Config, split: str, *, name: str | Path | None) -> DataLoader:
    """Build the loader of a split, in the order of the dataset.

    Args:
        cfg: The config, whose sampler of the split is replaced.
        split: 'val' or 'test'.
        name: The file of the config, for messages.

    Raises:
        DataError: If the config has no such split.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise DataError(f'{name} has no {split}_dataloader: add it, or choose another --split')
    loader.sampler = dict(type='DefaultSampler', shuffle=False)
    return Runner.build_dataloader(loader, seed=0)


def truth_and_labels(sample: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the true and the predicted labels of a data sample, ``(H, W)``.

    Raises:
        DataError: If the sample has no ground truth, or one of another size.
    """
    if 'gt_sem_seg' not in sample:
        raise DataError(f'{sample.img_path} has no labels: add LoadAnnotations to its pipeline')
    labels, truth = label_maps(sample.to_dict())
    return truth, labels


@contextlib.contextmanager
def data_errors() -> Iterator[None]:
    """Turn the errors of the host for invalid data and checkpoints into ``DataError``.

    Raises:
        DataError: With one line that names the reason.
    """
    try:
        yield
    except DataError:
        raise
    except _REFUSALS as error:
        raise explain_listing(error) or DataError(_last_line(error)) from error


def _last_line(error: Exception) -> str:
    """Return the message of an error without the traceback of a data loader's process."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.removeprefix(f'{type(error).__name__}: ')
