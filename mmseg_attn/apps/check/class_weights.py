"""Compute class weights from the frequencies of the classes.

Median frequency (Eigen & Fergus, arXiv 1411.4734): the frequency of a class is its fraction of the
pixels of all images that contain it. The weight of a class is the median of all frequencies divided
by the frequency of the class. Inverse frequency: the weight of a class is the mean number of pixels
per class divided by its number of pixels; the mean weight over all pixels is 1. Ignored pixels are
not counted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmseg.datasets import BaseSegDataset

from ...datasets.loading import check_width
from ...datasets.nested_datasets import nested_datasets
from ...datasets.rules import IGNORE
from ...errors import DataError
from ...io import explain


def count_pixels(
    dataset: Any, *, watch: Callable[[Sequence[int]], Iterable[int]] = iter
) -> np.ndarray:
    """Count the labels of a dataset as its own pipeline loads them, before any augmentation.

    Args:
        dataset: The dataset. Wrapped datasets are counted one after the other.
        watch: A wrapper for the iterator over the image indices, for example to show progress.

    Returns:
        Pixels of each class in each image, (images, classes).

    Raises:
        DataError: If a pipeline loads no annotations, a mask cannot be loaded, or a label is not
            a class.
    """
    leaves = [leaf for leaf in nested_datasets(dataset) if isinstance(leaf, BaseSegDataset)]
    return np.array([row for leaf in leaves for row in _rows(leaf, watch(range(len(leaf))))])


def _rows(dataset: BaseSegDataset, indices: Iterable[int]) -> Iterator[np.ndarray]:
    transforms = dataset.pipeline.transforms
    loaders = [transform for transform in transforms if isinstance(transform, LoadAnnotations)]
    if not loaders:
        raise DataError(
            f'the pipeline of {type(dataset).__name__} loads no annotations: add LoadAnnotations'
        )
    classes = len(dataset.metainfo['classes'])
    if classes > IGNORE:
        raise DataError(
            f'{type(dataset).__name__} has {classes} classes, but 8-bit masks support {IGNORE} '
            'classes and the ignored label: merge some classes'
        )
    for i in indices:
        results = _load(loaders, dataset.get_data_info(i))
        row = np.bincount(results['gt_seg_map'].ravel(), minlength=IGNORE + 1)
        if row[classes:IGNORE].any():
            label = classes + int(row[classes:IGNORE].argmax())
            raise DataError(
                f'{results["seg_map_path"]} contains the label {label}, but the dataset has only '
                f'{classes} classes: correct the mask'
            )
        yield row[:classes]


def _load(loaders: Sequence[LoadAnnotations], results: dict) -> dict:
    path = results.get('seg_map_path')
    for load in loaders:
        try:
            results = load(results)
        except (DataError, MemoryError):
            raise
        except Exception as error:  # decoders raise nearly anything
            if path is None or (isinstance(error, OSError) and error.errno is not None):
                raise
            raise explain(error, path) from error
        check_width(load, path)
    return results


def class_weights(pixels: np.ndarray, *, classes: Sequence[str]) -> dict[str, list[float]]:
    """Compute the weights of the classes.

    Args:
        pixels: Number of pixels of each class in each image, (images, classes).
        classes: The names of the classes.

    Returns:
        The weights by each formula, with five significant digits.

    Raises:
        DataError: If a class does not occur.
    """
    total = pixels.sum(axis=0)
    absent = [name for name, count in zip(classes, total, strict=True) if count == 0]
    if absent:
        raise DataError(
            f'no training image contains {" or ".join(absent)}, so the weights are not defined: '
            'use another split'
        )
    present = np.where(pixels > 0, pixels.sum(axis=1, keepdims=True), 0).sum(axis=0)
    frequency = total / present
    weights = dict(
        median_frequency=np.median(frequency) / frequency, inverse_frequency=total.mean() / total
    )
    return {kind: [float(f'{value:.5g}') for value in values] for kind, values in weights.items()}
