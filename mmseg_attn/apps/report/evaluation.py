"""Predict the validation or test set with the checkpoint of a run, and compute the metrics."""

import copy
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner

from ...datasets.building import explain_listing
from ...errors import DataError
from ...evaluation.confusion import confusion
from ..predict import Predictor
from ..runs import Run

MEASURES = ('IoU', 'Dice', 'Precision', 'Recall')

# Errors of checkpoints, datasets, loaders and PyTorch for invalid input
_REFUSALS = (RuntimeError, OSError, ValueError, AssertionError, KeyError)


@dataclass
class Prediction:
    """The prediction of one image.

    Attributes:
        path: The file of the image.
        index: Its index in the dataset.
        counts: Confusion matrix (C, C): pixels, with a row per true class.
        labels: The predicted labels (H, W), uint8 or uint16, compressed.
        shape: Height and width.
    """

    path: str
    index: int
    counts: np.ndarray
    labels: bytes
    shape: tuple[int, int]

    @property
    def score(self) -> float:
        """The mean IoU over the classes of the ground truth, in percent; nan if it has none."""
        present = self.counts.sum(axis=1) > 0
        return float(classwise(self.counts)['IoU'][present].mean()) if present.any() else np.nan

    @property
    def wrong(self) -> float:
        """The wrong pixels, in percent of the labeled pixels."""
        return 100 - 100 * np.trace(self.counts) / max(self.counts.sum(), 1)

    def unpacked(self) -> np.ndarray:
        """Return the predicted labels (H, W)."""
        content = zlib.decompress(self.labels)
        kind = np.uint8 if len(content) == math.prod(self.shape) else np.uint16
        return np.frombuffer(content, kind).reshape(self.shape)


@dataclass
class Evaluation:
    """The predictions of a validation or test set.

    Attributes:
        classes: Names of the classes.
        palette: Colors of the classes, RGB.
        dataset: The dataset.
        images: The predictions, in the order of the dataset.
    """

    classes: list[str]
    palette: list[list[int]]
    dataset: Any
    images: list[Prediction]

    @cached_property
    def counts(self) -> np.ndarray:
        """The confusion matrix of the whole set."""
        return sum(image.counts for image in self.images)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics with the names of ``PerClassIoUMetric``, in percent."""
        return metrics(self.counts, self.classes)


def evaluate(
    run: Run,
    split: str,
    *,
    device: str = 'cpu',
    watch: Callable[[Iterable], Iterator] = iter,
) -> Evaluation:
    """Predict a set as ``tools/test.py`` does.

    Args:
        run: A run with a config and a checkpoint.
        split: 'val' or 'test'.
        device: The device of the model.
        watch: Iterates over the batches and shows the progress.

    Raises:
        DataError: If the checkpoint or the data cannot be used.
    """
    cfg = copy.deepcopy(run.cfg)
    loader_cfg = cfg.get(f'{split}_dataloader')
    if not loader_cfg:
        raise DataError(
            f'{run.config} has no {split}_dataloader: add it, or choose another --split'
        )
    loader_cfg.sampler = dict(type='DefaultSampler', shuffle=False)  # in the order of the dataset
    try:
        predictor = Predictor(cfg, run.checkpoint, device=device)
        loader = Runner.build_dataloader(loader_cfg, seed=0)
        with torch.no_grad():
            images = [
                _prediction(sample, index, len(predictor.classes))
                for index, sample in enumerate(
                    sample for batch in watch(loader) for sample in predictor.model.test_step(batch)
                )
            ]
    except DataError:
        raise
    except _REFUSALS as error:
        raise explain_listing(error) or DataError(_last_line(error)) from error
    if not images:
        raise DataError(f'the {split} set of {run.config} contains no image: check its data')
    return Evaluation(predictor.classes, predictor.palette, loader.dataset, images)


def classwise(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Compute each of ``MEASURES`` of every class (C,), in percent; nan if it is not defined.

    Args:
        counts: Confusion matrix (C, C), with a row per true class.
    """
    correct, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid='ignore'):
        return dict(
            IoU=100 * correct / (true + predicted - correct),
            Dice=200 * correct / (true + predicted),
            Precision=100 * correct / predicted,
            Recall=100 * correct / true,
        )


def metrics(counts: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Compute ``mIoU``, ``mAcc``, ``aAcc`` and per class ``IoU.cell`` and so on, in percent.

    Measures that are not defined are omitted, also from the means, as in MMSegmentation.

    Args:
        counts: Confusion matrix (C, C), with a row per true class.
        classes: Names of the classes.
    """
    measures = classwise(counts)
    values = {f'm{name}': measures[key] for name, key in (('IoU', 'IoU'), ('Acc', 'Recall'))}
    values = {name: of_classes[np.isfinite(of_classes)] for name, of_classes in values.items()}
    values = {name: defined.mean() for name, defined in values.items() if defined.size}
    if pixels := counts.sum():
        values['aAcc'] = 100 * np.trace(counts) / pixels
    for measure, of_classes in measures.items():
        values |= {f'{measure}.{n}': v for n, v in zip(classes, of_classes, strict=True)}
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def confusions(
    counts: np.ndarray, classes: Sequence[str], number: int
) -> list[tuple[str, str, float]]:
    """Find the pairs of classes that are confused the most.

    Args:
        counts: Confusion matrix (C, C), with a row per true class.
        classes: Names of the classes.
        number: The largest number of pairs.

    Returns:
        True class, predicted class, and percent of the true class's pixels, at least 1.
    """
    fractions = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pairs = [
        (classes[i], classes[j], float(fraction))
        for (i, j), fraction in np.ndenumerate(fractions)
        if i != j and fraction >= 1
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:number]


def pack(labels: np.ndarray) -> bytes:
    """Compress labels (H, W)."""
    kind = np.uint8 if labels.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    return zlib.compress(labels.astype(kind).tobytes(), level=1)


def _prediction(sample: Any, index: int, classes: int) -> Prediction:
    if 'gt_sem_seg' not in sample:
        raise DataError(f'{sample.img_path} has no labels: add LoadAnnotations to its pipeline')
    truth, labels = (
        data.data.squeeze(0).cpu().numpy() for data in (sample.gt_sem_seg, sample.pred_sem_seg)
    )
    counts = confusion(truth, labels.astype(np.int64), classes)
    return Prediction(sample.img_path, index, counts, pack(labels), labels.shape)


def _last_line(error: Exception) -> str:
    """Return the message of an error without the traceback of a data loader's process."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.removeprefix(f'{type(error).__name__}: ')
