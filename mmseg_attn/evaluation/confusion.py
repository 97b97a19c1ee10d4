"""How often each class is taken for each other."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..io import decode_image


def confusion(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of every pair of a true and a predicted class.

    Args:
        truth: True labels; those that are no class do not count.
        labels: Predicted labels, 0 to ``classes - 1``, of the same shape.
        classes: The number of classes.

    Returns:
        (classes, classes), int64: a row per true class.
    """
    counted = truth < classes
    pairs = truth[counted].astype(np.int64) * classes + labels[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def confusion_of_masks(
    dataset: Any, folder: Path, *, watch: Callable[[Iterable[int]], Iterator[int]] = iter
) -> np.ndarray:
    """Compare the masks that ``tools/test.py --out`` or ``tools/predict.py`` wrote with a dataset.

    Args:
        dataset: A dataset whose pipeline loads the labels.
        folder: Holds a PNG for every image, of the same name.
        watch: Iterates over the indices and shows how far it is.

    Raises:
        DataError: If a mask is missing, of another size, or holds what is no class.
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
                f'{labels.max()}, but the labels of its image have {truth.shape} and 0 to '
                f'{classes - 1}: take the predictions for this config'
            )
        total += confusion(truth, labels, classes)
    return total
