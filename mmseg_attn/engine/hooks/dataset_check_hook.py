"""Stop before the first iteration if the config does not fit its datasets."""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from ...datasets.checking.loaded import check_channels, check_lists, check_mask, check_size
from ...datasets.loading import check_width
from ...datasets.nested_datasets import nested_datasets
from ...datasets.remedies import ONLY_0_255
from ...errors import DataError
from ...io import explain
from ...models.segmentors import check_tta


@HOOKS.register_module()
class DatasetCheckHook(Hook):
    """Check the datasets and a few of their images before training or testing starts.

    All listed images and masks must exist, and the dataset must name as many classes as the heads
    have. A few images are opened: their number of channels must match the preprocessor's mean and
    the backbone's first convolution, and their masks must have the size of the image and hold only
    classes and the ignored label. Other problems that ``tools/check_dataset.py`` finds without
    opening files, such as an image that is listed twice or in two splits, are warnings in the log.

    Every rank checks the same images, so all of them stop. No file is written, and the random state
    stays unchanged. ``tools/check_dataset.py`` opens all images and finds more.

    Args:
        samples: Number of images to open of each dataset, spread over it evenly.
    """

    def __init__(self, *, samples: int = 5):
        self.samples = samples

    def before_train(self, runner: Runner) -> None:
        """Check the training and the validation set.

        Raises:
            DataError: If they do not fit the model.
        """
        loops = dict(train=runner.train_loop)
        if runner.val_loop is not None:
            _check_metrics(runner.model, runner.val_loop)
            loops['val'] = runner.val_loop
        self._check(runner.model, {split: loop.dataloader.dataset for split, loop in loops.items()})

    def before_test(self, runner: Runner) -> None:
        """Check the test set.

        Raises:
            DataError: If it does not fit the model, or test-time augmentation would average
                wrongly.
        """
        check_tta(runner.model)
        _check_metrics(runner.model, runner.test_loop)
        metrics = _metrics(runner.test_loop)
        labeled = not all(getattr(metric, 'format_only', False) for metric in metrics)
        self._check(runner.model, dict(test=runner.test_loop.dataloader.dataset), labeled=labeled)

    def _check(self, model: nn.Module, datasets: dict[str, Any], *, labeled: bool = True) -> None:
        segmentor = _segmentor(model)
        if segmentor is None:
            return
        inner = {
            split: [inside for inside in nested_datasets(outer) if isinstance(inside, BaseDataset)]
            for split, outer in datasets.items()
        }
        for warning in check_lists(inner, segmentor, labeled=labeled):
            print_log(warning, logger='current', level=logging.WARNING)
        with _unchanged_random_state():
            for dataset in chain.from_iterable(inner.values()):
                self._check_images(dataset, segmentor)

    def _check_images(self, dataset: BaseDataset, segmentor: nn.Module) -> None:
        classes = dataset.metainfo.get('classes')
        ignore = getattr(segmentor.decode_head, 'ignore_index', 255)
        seen: set[int] = set()
        indices = np.linspace(0, len(dataset) - 1, min(self.samples, len(dataset)))
        for index in indices.astype(int).tolist():
            results, mask = dataset.get_data_info(index), None
            name, mask_name = results.get('img_path'), results.get('seg_map_path')
            for transform in dataset.pipeline.transforms:
                results = _apply(transform, results, (name, mask_name))
                if results is None:  # a transform may drop an image
                    break
                if mask is None and classes and 'gt_seg_map' in results:
                    mask = results['gt_seg_map']
                    check_width(transform, mask_name)
                    seen |= check_mask(mask, mask_name, len(classes), ignore)
                    check_size(mask, mask_name, results.get('ori_shape'))
            if results is not None and 'inputs' in results:
                check_channels(results['inputs'], name, segmentor)
        if 255 in seen and seen <= {0, 255}:
            raise DataError(
                f'The masks of {type(dataset).__name__}, such as {mask_name}, contain only 0 and '
                '255, and 255 is ignored, so only class 0 would be learned: '
                f'{ONLY_0_255}, or, if these {len(indices)} masks are correct, increase samples '
                'of DatasetCheckHook until it finds another class'
            )


def _segmentor(model: nn.Module) -> nn.Module | None:
    return next((module for module in model.modules() if hasattr(module, 'decode_head')), None)


def _metrics(loop: Any) -> Sequence[Any]:
    return getattr(getattr(loop, 'evaluator', None), 'metrics', ())


def _check_metrics(model: nn.Module, loop: Any) -> None:
    """Call the checks of metrics that have requirements on the model."""
    segmentor = _segmentor(model)
    for metric in _metrics(loop):
        if segmentor is not None and hasattr(metric, 'check_model'):
            metric.check_model(segmentor)


def _apply(transform: Callable, results: dict, names: Sequence[str | None]) -> dict | None:
    """Apply a transform; name the files in its error."""
    try:
        return transform(results)
    except DataError:
        raise
    except Exception as error:
        kind, files = type(transform).__name__, ' with '.join(filter(None, names))
        if kind.startswith('Load') and files:
            labels = isinstance(transform, LoadAnnotations) and names[1]
            raise explain(error, labels or names[0] or files) from error
        reason = f'{type(error).__name__}: {" ".join(str(error).split())}'
        raise ValueError(f'{kind} fails for {files} ({reason}): correct the pipeline') from error


@contextmanager
def _unchanged_random_state() -> Iterator[None]:
    state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)
