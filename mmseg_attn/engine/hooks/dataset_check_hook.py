"""Stop before the first iteration if the config does not fit its data."""

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadAnnotations
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseDataPreprocessor
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from ...datasets.findings import merge_findings
from ...datasets.listing import (
    Head,
    Source,
    check_classes,
    check_ignored,
    find_lonely_masks,
    find_repeats,
    list_dataset,
    mean_values,
)
from ...datasets.loading import check_width
from ...datasets.nested_datasets import nested_datasets
from ...datasets.pipelines import keeps_values, size_fault
from ...datasets.rules import (
    IGNORE,
    channel_conflicts,
    check_labels,
    check_size,
    save_as_classes,
)
from ...errors import DataError
from ...io import explain
from ...models.segmentors import check_settings, check_tta
from .divergence_hook import check_finite_weights


@HOOKS.register_module()
class DatasetCheckHook(Hook):
    """Check the datasets and a few of their images before training or testing starts.

    Every image and mask that is listed must exist, and the dataset must name its classes, as many
    as the heads have. Heads and metrics must ignore the same label. ``test_cfg`` of the model must
    be valid, and MMSegmentation must be able to undo the steps of the pipelines of validation and
    test in predictions. Of a few images, the number of channels must be that of the preprocessor's
    mean and of the backbone's first convolution, and the masks must have the size of their image
    and contain only classes and the ignored label. What else ``tools/check_dataset.py`` finds
    without opening files, such as an image that is listed twice or in two splits, is a warning in
    the log.

    Every rank checks the same images, so all of them stop. Nothing is written, and the random state
    is restored. ``tools/check_dataset.py`` opens all images and finds more.

    Args:
        samples: Number of images of each dataset to check, spread over it.
    """

    def __init__(self, *, samples: int = 5):
        self.samples = samples

    def before_train(self, runner: Runner) -> None:
        """Check the training and the validation dataset.

        Raises:
            DataError: If they do not fit the model.
        """
        loops = dict(train=runner.train_loop)
        if runner.val_loop is not None:
            _check_metrics(runner.model, runner.val_loop)
            loops['val'] = runner.val_loop
        self._check(runner.model, loops)

    def before_test(self, runner: Runner) -> None:
        """Check the test dataset.

        Raises:
            DataError: If it does not fit the model, or the model averages wrongly.
            CheckpointError: If the model has weights that are not finite.
        """
        check_finite_weights(runner.model)
        check_tta(runner.model)
        _check_metrics(runner.model, runner.test_loop)
        metrics = _metrics(runner.test_loop)
        labeled = not all(getattr(metric, 'format_only', False) for metric in metrics)
        if any(getattr(metric, 'output_dir', None) for metric in metrics):
            _check_mask_names(runner.test_loop.dataloader.dataset)
        self._check(runner.model, dict(test=runner.test_loop), labeled=labeled)

    def _check(self, model: nn.Module, loops: dict[str, Any], *, labeled: bool = True) -> None:
        segmentor = _segmentor(model)
        if segmentor is None:
            return
        check_settings(segmentor)
        sources = [
            list_dataset(split, leaf)
            for split, loop in loops.items()
            for leaf in nested_datasets(loop.dataloader.dataset)
            if isinstance(leaf, BaseDataset)
        ]
        ignored = {split: _ignored(split, loop, segmentor) for split, loop in loops.items()}
        for warning in _check_lists(sources, ignored, segmentor, labeled=labeled):
            print_log(warning, logger='current', level=logging.WARNING)
        with _unchanged_random_state():
            for source in sources:
                scored = labeled and source.split != 'train'
                self._check_images(source.dataset, segmentor, scored=scored)

    def _check_images(
        self, dataset: BaseDataset, segmentor: nn.Module, *, scored: bool = False
    ) -> None:
        classes = dataset.metainfo.get('classes')
        ignored = _ignored_by(segmentor)
        seen: set[int] = set()
        without_data = False
        indices = np.linspace(0, len(dataset) - 1, min(self.samples, len(dataset)))
        for index in indices.astype(int).tolist():
            results, mask = dataset.get_data_info(index), None
            name, mask_name = results.get('img_path'), results.get('seg_map_path')
            for transform in dataset.pipeline.transforms:
                results = _apply(transform, results, (name, mask_name))
                if results is None:  # a transform may drop an image
                    break
                if 'raster_window' in results:  # of LoadRaster; pixels without data become 255
                    without_data |= not results['valid'].all()
                if mask is None and classes and 'gt_seg_map' in results:
                    mask = results['gt_seg_map']
                    if keeps_values(transform):
                        check_width(transform, mask_name)
                    seen |= check_labels(mask, mask_name, len(classes), ignored)
                    check_size(mask, mask_name, results.get('ori_shape'))
            if scored and (fault := size_fault(results, name)):
                raise DataError(': '.join(fault))
            if results is not None and 'inputs' in results:
                _check_channels(results['inputs'], name or 'an image', segmentor)
        if without_data or not (255 in seen and seen <= {0, 255}):
            return
        masks = (
            f'{mask_name} and the other masks of {type(dataset).__name__} that were checked '
            f'({len(indices)} in total)'
        )
        moved = getattr(dataset, 'reduce_zero_label', False)  # then 0 became 255, and 1 became 0
        if moved and 0 not in seen:
            raise DataError(
                f'{masks} contain only 0 and 255, which reduce_zero_label ignores: number the '
                'classes from 1 on, or remove reduce_zero_label'
            )
        if not moved and len(classes) != 1:
            raise DataError(
                f'{masks} contain only 0 and 255, and 255 is ignored, so only '
                f'class 0 would be learned: {save_as_classes(len(classes))} or, if the masks are '
                'right, raise samples of DatasetCheckHook until it finds another class'
            )


def _check_mask_names(dataset: Any) -> None:
    """Refuse images of one name, since ``test.py --out`` writes masks by their names alone."""
    paths: dict[str, str] = {}
    for leaf in nested_datasets(dataset):
        for index in range(len(leaf) if isinstance(leaf, BaseDataset) else 0):
            path = leaf.get_data_info(index)['img_path']
            other = paths.setdefault(Path(path).stem, path)
            if other != path:
                raise DataError(
                    f'{other} and {path} have the same name, so test.py --out would overwrite the '
                    'mask of one with that of the other: use tools/predict.py, or rename the files'
                )


def _check_lists(
    sources: Sequence[Source],
    ignored: Mapping[str, Sequence[tuple[str, int]]],
    segmentor: nn.Module,
    *,
    labeled: bool,
) -> list[str]:
    """Refuse datasets whose list or classes have an error, and return the warnings."""
    heads = list(_heads(segmentor))
    own = _ignored_by(segmentor)
    findings = [
        finding
        for source in sources
        for finding in (
            *source.findings,
            *check_classes(source, heads),
            *check_ignored(source, own, ignored[source.split]),
        )
    ]
    for finding in findings:
        if finding.error and (labeled or finding.kind not in ('no-labels', 'flipped-labels')):
            raise DataError(finding.sentence)
    others = find_lonely_masks(sources) + find_repeats(sources)
    return [finding.sentence for finding in merge_findings(findings + others)]


def _ignored(split: str, loop: Any, segmentor: nn.Module) -> list[tuple[str, int]]:
    """Return the ignored labels of auxiliary heads or, for validation and test, of metrics."""
    name, parts = f'{split}_evaluator', list(_metrics(loop))
    if split == 'train':
        name = 'model.auxiliary_head'
        parts = [head for key, head in _named_heads(segmentor) if key == 'auxiliary_head']
    values = [getattr(part, 'ignore_index', None) for part in parts]
    return [(f'{name}.ignore_index', value) for value in values if isinstance(value, int)]


def _named_heads(segmentor: nn.Module) -> Iterator[tuple[str, Any]]:
    for name in ('decode_head', 'auxiliary_head'):
        heads = getattr(segmentor, name, None)
        for head in heads if isinstance(heads, nn.ModuleList) else [heads]:
            yield name, head


def _heads(segmentor: nn.Module) -> Iterator[Head]:
    for name, head in _named_heads(segmentor):
        channels = getattr(head, 'out_channels', None) or getattr(head, 'num_classes', None)
        yield Head(name, type(head).__name__, channels)


def _ignored_by(segmentor: nn.Module) -> int:
    """Return the ignored label of the head that predicts, which is the last one of a cascade."""
    head: Any = segmentor.decode_head
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    return getattr(head, 'ignore_index', IGNORE)


def _check_channels(inputs: Any, name: str, segmentor: nn.Module) -> None:
    preprocessor = getattr(segmentor, 'data_preprocessor', None)
    mean = getattr(preprocessor, 'mean', None)
    if not isinstance(preprocessor, BaseDataPreprocessor):
        mean = None
    layers = getattr(segmentor, 'backbone', nn.Identity()).modules()
    stem = next((layer for layer in layers if isinstance(layer, nn.Conv2d)), None)
    in_channels = None if stem is None else stem.in_channels
    count = mean_values(mean, in_channels)
    for conflict in channel_conflicts(name, inputs, mean=count, in_channels=in_channels):
        raise DataError(': '.join(conflict))


def _segmentor(model: nn.Module) -> nn.Module | None:
    return next((module for module in model.modules() if hasattr(module, 'decode_head')), None)


def _metrics(loop: Any) -> Sequence[Any]:
    return getattr(getattr(loop, 'evaluator', None), 'metrics', ())


def _check_metrics(model: nn.Module, loop: Any) -> None:
    """Let metrics that need something of the model check it."""
    segmentor = _segmentor(model)
    for metric in _metrics(loop):
        if segmentor is not None and hasattr(metric, 'check_model'):
            metric.check_model(segmentor)


def _apply(transform: Callable, results: dict, names: Sequence[str | None]) -> dict | None:
    """Apply a transform, and name the files if it fails."""
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
