"""Weights of the classes from how often they occur.

Median frequency (Eigen & Fergus, arXiv 1411.4734): the frequency of a class is its share of the
pixels of the images that hold it; a weight is the median of all frequencies over that of the class.
Inverse frequency: the mean number of pixels per class over the number of the class; the mean over
all pixels is 1. Ignored pixels do not count.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmseg.datasets import BaseSegDataset

from ..errors import DataError
from .loading import apply_loaders
from .nested_datasets import nested_datasets

IGNORE = 255


def count_pixels(
    dataset: Any, *, watch: Callable[[Sequence[int]], Iterable[int]] = iter
) -> np.ndarray:
    """Count the labels of a dataset as its own pipeline loads them, before any augmentation.

    Args:
        dataset: The dataset; those that it wraps are counted one after the other.
        watch: Goes through the numbers of the images, for example to show how far it is.

    Returns:
        Pixels of each class in each image, (images, classes).

    Raises:
        DataError: If a pipeline loads no annotations, a mask cannot be loaded, or a label is no
            class.
    """
    sets = [each for each in nested_datasets(dataset) if isinstance(each, BaseSegDataset)]
    return np.array([row for each in sets for row in _rows(each, watch(range(len(each))))])


def _rows(dataset: BaseSegDataset, indices: Iterable[int]) -> Iterator[np.ndarray]:
    loaders = [each for each in dataset.pipeline.transforms if isinstance(each, LoadAnnotations)]
    if not loaders:
        raise DataError(
            f'the pipeline of {type(dataset).__name__} loads no annotations: add LoadAnnotations'
        )
    classes = len(dataset.metainfo['classes'])
    if classes > IGNORE:
        raise DataError(
            f'{type(dataset).__name__} has {classes} classes, but masks of 8 bits hold {IGNORE} '
            'and the ignored label: merge some of them'
        )
    for i in indices:
        results = apply_loaders(loaders, dataset.get_data_info(i))
        row = np.bincount(results['gt_seg_map'].ravel(), minlength=IGNORE + 1)
        if row[classes:IGNORE].any():
            label = classes + int(row[classes:IGNORE].argmax())
            raise DataError(
                f'{results["seg_map_path"]} holds the label {label}, but there are only '
                f'{classes} classes: correct the mask'
            )
        yield row[:classes]


def class_weights(pixels: np.ndarray, *, classes: Sequence[str]) -> dict[str, list[float]]:
    """Weigh classes.

    Args:
        pixels: Pixels of each class in each image, (images, classes).
        classes: The names of the classes.

    Returns:
        The weights of every kind, with five significant digits.

    Raises:
        DataError: If a class does not occur.
    """
    total = pixels.sum(axis=0)
    absent = [name for name, count in zip(classes, total, strict=True) if count == 0]
    if absent:
        raise DataError(
            f'{", ".join(absent)} does not occur in the {len(pixels)} training images, so that it '
            'has no weight: use another split'
        )
    present = np.where(pixels > 0, pixels.sum(axis=1, keepdims=True), 0).sum(axis=0)
    frequency = total / present
    found = dict(
        median_frequency=np.median(frequency) / frequency, inverse_frequency=total.mean() / total
    )
    return {kind: [float(f'{value:.5g}') for value in values] for kind, values in found.items()}
