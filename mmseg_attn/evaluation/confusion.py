"""Compute confusion matrices."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..io import decode_image


def confusion(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of every pair of true and predicted class.

    Args:
        truth: Ground truth of any shape; labels that are not a class do not count.
        labels: Predicted labels, 0 to ``classes - 1``, of the same shape.
        classes: Number of classes C.

    Returns:
        Confusion matrix ``(C, C)``, int64, with a row per true class.
    """
    valid = truth < classes
    pairs = truth[valid].astype(np.int64) * classes + labels[valid]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def confusion_of_masks(
    dataset: Any, folder: Path, *, watch: Callable[[Iterable[int]], Iterator[int]] = iter
) -> np.ndarray:
    """Compare masks from ``tools/test.py --out`` or ``tools/predict.py`` with the ground truth.

    Args:
        dataset: A dataset whose pipeline loads the ground truth.
        folder: The folder of the masks, a PNG of the same name for every image.
        watch: Function that iterates over the indices and may show the progress.

    Returns:
        Confusion matrix ``(C, C)``, int64, with a row per true class.

    Raises:
        DataError: If a mask is missing, has another size, or contains labels that are not a class.
    """
    classes = len(dataset.metainfo['classes'])
    total = np.zeros((classes, classes), dtype=np.int64)
    for i in watch(range(len(dataset))):
        sample = dataset[i]['data_samples']
        truth = sample.gt_sem_seg.data.squeeze().numpy()
        mask = folder / f'{Path(sample.img_path).stem}.png'
        if not mask.is_file():
            raise DataError(
                f'{mask}, the prediction for {sample.img_path}, is missing: write it with '
                'python tools/test.py CONFIG CHECKPOINT --out DIR'
            )
        labels = decode_image(mask.read_bytes(), name=mask)[0].astype(np.int64)
        labels -= bool(dataset.reduce_zero_label)  # IoUMetric adds it when it writes
        if labels.shape != truth.shape or not 0 <= labels.min() <= labels.max() < classes:
            raise DataError(
                f'{mask} has the shape {labels.shape} and labels from {labels.min()} to '
                f'{labels.max()}, but the ground truth has the shape {truth.shape} and labels '
                f'from 0 to {classes - 1}: use predictions that were made with this config'
            )
        total += confusion(truth, labels, classes)
    return total
