"""Compute class weights from the frequencies of the classes.

Median frequency (Eigen & Fergus, arXiv 1411.4734): the frequency of a class is its fraction of the
pixels of all images that contain it. The weight of a class is the median of all frequencies divided
by the frequency of the class. Inverse frequency: the weight of a class is the mean number of pixels
per class divided by its number of pixels; the mean weight over all pixels is 1. Ignored pixels are
not counted, and a repeated dataset counts as often as it is repeated.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset

from ...datasets.loading import check_width
from ...datasets.pipelines import keeps_values
from ...datasets.rules import IGNORE, is_stray
from ...errors import DataError
from ...io import explain


def ignored_label(cfg: Config) -> int:
    """Return the ignored label of the head that predicts; 255 without a model."""
    head = (cfg.get('model') or {}).get('decode_head') or {}
    head = head[-1] if isinstance(head, Sequence) else head
    return head.get('ignore_index', IGNORE)


def count_pixels(
    dataset: Any,
    *,
    ignored: int = IGNORE,
    watch: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> np.ndarray:
    """Count the labels of a dataset as its own pipeline loads them, before any augmentation.

    Args:
        dataset: The dataset. Wrapped datasets are counted one after the other.
        ignored: Label of the ignored pixels; the pixels of a class are counted all the same.
        watch: A wrapper for the iterator over the image indices, for example to show progress.

    Returns:
        Pixels of each class in each image, (images, classes).

    Raises:
        DataError: If a pipeline loads no annotations, a mask cannot be loaded, or a label is not
            a class.
    """
    rows = []
    for leaf, times in _leaves(dataset):
        rows += list(_rows(leaf, watch(range(len(leaf))), ignored)) * times
    return np.array(rows)


def _leaves(dataset: Any, times: int = 1) -> Iterator[tuple[BaseSegDataset, int]]:
    """Yield the datasets inside wrappers, and how often each is repeated."""
    if isinstance(dataset, BaseSegDataset):
        yield dataset, times
        return
    times *= getattr(dataset, 'times', 1)
    for inner in getattr(dataset, 'datasets', None) or [dataset.dataset]:
        yield from _leaves(inner, times)


def _rows(dataset: BaseSegDataset, indices: Iterable[int], ignored: int) -> Iterator[np.ndarray]:
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
        stray = np.flatnonzero(is_stray(np.arange(row.size), classes, ignored=ignored) & (row > 0))
        if stray.size:
            raise DataError(
                f'{results["seg_map_path"]} contains the label {stray[0]}, but the dataset has '
                f'only {classes} classes and ignored pixels are {ignored}: correct the mask, or '
                'ignore_index of the decode head'
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
        if keeps_values(load):
            check_width(load, path)
    return results


def class_weights(
    pixels: np.ndarray, *, classes: Sequence[str], ignored: int = IGNORE
) -> dict[str, list[float]]:
    """Compute the weights of the classes.

    Args:
        pixels: Number of pixels of each class in each image, (images, classes).
        classes: The names of the classes.
        ignored: Label of the ignored pixels. If it is a class, its weight, which no loss uses, is
            1, and the other weights are computed without it.

    Returns:
        The weights by each formula, with five significant digits.

    Raises:
        DataError: If a class does not occur.
    """
    if 0 <= ignored < len(classes):
        others = [name for label, name in enumerate(classes) if label != ignored]
        weights = class_weights(np.delete(pixels, ignored, axis=1), classes=others)
        return {kind: np.insert(values, ignored, 1).tolist() for kind, values in weights.items()}
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
