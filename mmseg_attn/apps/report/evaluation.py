"""What the best checkpoint of a run makes of its validation or test set."""

import copy
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner

from ...errors import DataError
from ...evaluation.confusion import confusion
from ..predict import Predictor
from .run import Run
from .scores import classwise, metrics

# What checkpoints, datasets, loaders and PyTorch say of what they cannot take
REFUSALS = (RuntimeError, OSError, ValueError, AssertionError, KeyError)


@dataclass
class Predicted:
    """One image.

    Attributes:
        path: Its file.
        index: Its number in the dataset.
        counts: Pixels of every pair of a true and a predicted class, a row per true class.
        labels: The predicted labels (H, W), uint8 or uint16 and packed.
        shape: Height and width.
    """

    path: str
    index: int
    counts: np.ndarray
    labels: bytes
    shape: tuple[int, int]

    @property
    def score(self) -> float:
        """Mean IoU over the classes that the ground truth has, percent; nan if it has none."""
        present = self.counts.sum(axis=1) > 0
        return float(classwise(self.counts)['IoU'][present].mean()) if present.any() else np.nan

    @property
    def wrong(self) -> float:
        """Wrong pixels, percent of the labeled ones."""
        return 100 - 100 * np.trace(self.counts) / max(self.counts.sum(), 1)

    def unpacked(self) -> np.ndarray:
        """The predicted labels (H, W)."""
        content = zlib.decompress(self.labels)
        kind = np.uint8 if len(content) == math.prod(self.shape) else np.uint16
        return np.frombuffer(content, kind).reshape(self.shape)


@dataclass
class Evaluation:
    """All images of a set.

    Attributes:
        classes: Names.
        palette: Colors of the classes, RGB.
        dataset: The dataset.
        images: Its images, in its order.
    """

    classes: list[str]
    palette: list[list[int]]
    dataset: Any
    images: list[Predicted]

    @cached_property
    def counts(self) -> np.ndarray:
        """The confusion matrix of the whole set."""
        return sum(image.counts for image in self.images)

    @property
    def metrics(self) -> dict[str, float]:
        """Means, and values per class, called as by ``PerClassIoUMetric``, percent."""
        return metrics(self.counts, self.classes)


def evaluate(
    run: Run,
    split: str,
    *,
    device: str = 'cpu',
    watch: Callable[[Iterable], Iterator] = iter,
) -> Evaluation:
    """Predict the images of a set as ``tools/test.py`` does.

    Args:
        run: The run; it has a config and a checkpoint.
        split: 'val' or 'test'.
        device: Where the model runs.
        watch: Iterates over the batches and shows how far it is.

    Raises:
        DataError: If the checkpoint, the data or the device cannot be used.
    """
    cfg = copy.deepcopy(run.cfg)
    loader_cfg = cfg.get(f'{split}_dataloader')
    if not loader_cfg:
        raise DataError(f'{run.config} has no {split}_dataloader: add one, or choose --split')
    loader_cfg.sampler = dict(type='DefaultSampler', shuffle=False)  # in the order of the dataset
    try:
        predictor = Predictor(cfg, run.checkpoint, device=device)
        loader = Runner.build_dataloader(loader_cfg, seed=0)
        images = [
            _predicted(sample, index, len(predictor.classes))
            for index, sample in enumerate(_samples(predictor, watch(loader)))
        ]
    except DataError:
        raise
    except REFUSALS as error:
        raise DataError(_last_line(error)) from error
    if not images:
        raise DataError(f'the {split} set of {run.config} holds no image: check its data')
    return Evaluation(predictor.classes, predictor.palette, loader.dataset, images)


@torch.no_grad()
def _samples(predictor: Predictor, batches: Iterator[dict]) -> Iterator[Any]:
    for batch in batches:
        yield from predictor.model.test_step(batch)


def _predicted(sample: Any, index: int, classes: int) -> Predicted:
    if 'gt_sem_seg' not in sample:
        raise DataError(
            f'{sample.img_path} comes without labels: add LoadAnnotations to its pipeline'
        )
    truth, labels = (
        each.data.squeeze(0).cpu().numpy() for each in (sample.gt_sem_seg, sample.pred_sem_seg)
    )
    counts = confusion(truth, labels.astype(np.int64), classes)
    return Predicted(sample.img_path, index, counts, pack(labels), labels.shape)


def pack(labels: np.ndarray) -> bytes:
    """Labels (H, W) in little memory."""
    kind = np.uint8 if labels.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    return zlib.compress(labels.astype(kind).tobytes(), level=1)


def _last_line(error: Exception) -> str:
    """What went wrong, without the traceback that a data loader's process sends along."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.removeprefix(f'{type(error).__name__}: ')
