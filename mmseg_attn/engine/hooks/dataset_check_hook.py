"""A config that does not fit its data stops before the first iteration."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import BaseDataPreprocessor
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from ...datasets.checking import BOUNDARY_HEADS
from ...datasets.nested_datasets import nested_datasets


@HOOKS.register_module()
class DatasetCheckHook(Hook):
    """Looks at the data sets and a few of their images before training or testing starts.

    The number of classes must be that of the decode head, the number of channels that of the
    preprocessor's mean and of the backbone's first convolution, and the masks must have the size of
    their image and hold nothing but classes and the ignored label. Every rank looks at the same
    images, so all of them stop. Nothing is written, and the random state is left as it was.
    ``tools/check_dataset.py`` looks at all images and for more.

    Args:
        samples: how many images of each data set, spread over it.
    """

    def __init__(self, *, samples: int = 5):
        self.samples = samples

    def before_train(self, runner: Runner) -> None:
        """Check the training and the validation set.

        Raises:
            ValueError: if they do not fit the model.
        """
        self._check(runner.model, runner.train_loop.dataloader.dataset)
        if runner.val_loop is not None:
            self._check(runner.model, runner.val_loop.dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        """Check the test set.

        Raises:
            ValueError: if it does not fit the model.
        """
        self._check(runner.model, runner.test_loop.dataloader.dataset)

    def _check(self, model: nn.Module, dataset: Any) -> None:
        segmentor = next((each for each in model.modules() if hasattr(each, 'decode_head')), None)
        if segmentor is None:
            return
        for each in nested_datasets(dataset):
            if isinstance(each, BaseDataset):
                for name in ('decode_head', 'auxiliary_head'):
                    head = getattr(segmentor, name, None)
                    for one in head if isinstance(head, nn.ModuleList) else [head]:
                        if type(one).__name__ not in BOUNDARY_HEADS:
                            check_classes(each, one, name=name)
                with _random_state_kept():
                    self._check_images(each, segmentor)

    def _check_images(self, dataset: BaseDataset, segmentor: nn.Module) -> None:
        classes = dataset.metainfo.get('classes')
        ignore = getattr(segmentor.decode_head, 'ignore_index', 255)
        seen: set[int] = set()
        places = np.linspace(0, len(dataset) - 1, min(self.samples, len(dataset)))
        for index in places.astype(int).tolist():
            results, mask = dataset.get_data_info(index), None
            name, mask_name = results.get('img_path'), results.get('seg_map_path')
            for transform in dataset.pipeline.transforms:
                results = _apply(transform, results, (name, mask_name))
                if results is None:  # a transform may drop an image
                    break
                if mask is None and classes and 'gt_seg_map' in results:
                    mask = results['gt_seg_map']
                    seen |= check_mask(mask, mask_name, len(classes), ignore)
                    check_size(mask, mask_name, results.get('ori_shape'))
            if results is not None and 'inputs' in results:
                check_channels(results['inputs'], name, segmentor)
        if 255 in seen and seen <= {0, 255}:
            raise ValueError(
                f'The masks of {type(dataset).__name__}, {mask_name} for one, hold nothing but 0 '
                'and 255, and 255 is ignored, so only class 0 would be learned: save the '
                f'foreground as 1, or, if these {len(places)} masks are right, raise samples of '
                'DatasetCheckHook until it sees another class'
            )


def check_classes(
    dataset: BaseDataset, head: nn.Module | None, *, name: str = 'decode_head'
) -> None:
    """Compare the numbers of classes.

    Args:
        dataset: the data set.
        head: a head of the model.
        name: which one.

    Raises:
        ValueError: if they differ. A head with one channel tells two classes apart.
    """
    classes, wanted = dataset.metainfo.get('classes'), getattr(head, 'num_classes', None)
    if getattr(head, 'out_channels', None) == 1:
        wanted = 2
    if classes and wanted and len(classes) != wanted:
        raise ValueError(
            f'{type(dataset).__name__} has {len(classes)} classes and the '
            f'{name.replace("_", " ")} {wanted}: set model.{name}.num_classes to {len(classes)}'
        )


def check_channels(inputs: Any, name: str | None, segmentor: nn.Module) -> None:
    """Compare the channels of an image with those that the model takes.

    Args:
        inputs: image ``(C, H, W)``, or several versions of it for test-time augmentation.
        name: file of the image.
        segmentor: the model.

    Raises:
        ValueError: if they differ.
    """
    channels = (inputs[0] if isinstance(inputs, list) else inputs).shape[0]
    preprocessor = getattr(segmentor, 'data_preprocessor', None)
    if isinstance(preprocessor, BaseDataPreprocessor) and hasattr(preprocessor, 'mean'):
        values = preprocessor.mean.numel()
        if values != channels:
            raise ValueError(
                f'{name} comes out of the pipeline with {channels} channels and data_preprocessor '
                f'has {values} values in mean: give mean and std {channels} values, or load the '
                "images with another color_type ('grayscale' gives 1 channel, 'color' 3)"
            )
    backbone = getattr(segmentor, 'backbone', nn.Identity())
    stem = next((each for each in backbone.modules() if isinstance(each, nn.Conv2d)), None)
    if stem is not None and stem.in_channels != channels:
        raise ValueError(
            f'{name} comes out of the pipeline with {channels} channels and the backbone takes '
            f'{stem.in_channels}: set model.backbone.in_channels to {channels}'
        )


def check_mask(mask: np.ndarray, name: str, classes: int, ignore_index: int) -> set[int]:
    """Look for label values that are neither a class nor ignored.

    Args:
        mask: labels ``(H, W)``.
        name: file of the mask.
        classes: number of classes.
        ignore_index: label of the pixels that do not count.

    Returns:
        The values in the mask.

    Raises:
        ValueError: if there are other values, or the mask has colours.
    """
    if mask.ndim != 2:
        raise ValueError(
            f'{name} has {mask.shape[-1]} channels, so it is a colour mask: '
            'convert it to one channel of class numbers'
        )
    values = {int(value) for value in np.unique(mask)}
    unknown = sorted(values - set(range(classes)) - {ignore_index})
    if unknown and values <= {0, 255}:
        raise ValueError(f'{name} is a 0/255 mask: save the foreground as 1')
    if unknown:
        raise ValueError(
            f'{name} holds the label values {unknown}, but there are the classes 0 to '
            f'{classes - 1} and {ignore_index} for ignored pixels: correct the mask, or fit '
            'classes, label_map or reduce_zero_label of the data set to it'
        )
    return values


def check_size(mask: np.ndarray, name: str, size: Sequence[int] | None) -> None:
    """Compare the sizes of a mask and its image.

    Args:
        mask: labels ``(H, W)``.
        name: file of the mask.
        size: height and width of the loaded image, if it is known.

    Raises:
        ValueError: if they differ.
    """
    if size is not None and mask.shape != tuple(size[:2]):
        raise ValueError(
            f'{name} is {mask.shape[1]}x{mask.shape[0]}, but its image is {size[1]}x{size[0]}: get '
            'the mask of this image'
        )


def _apply(transform: Callable, results: dict, names: Sequence[str | None]) -> dict | None:
    """Apply a transform; an error of a decoder names the files."""
    try:
        return transform(results)
    except Exception as error:
        if any(name and name in str(error) for name in names):
            raise
        raise ValueError(
            f'{type(transform).__name__} stops at {" with ".join(filter(None, names))} '
            f'({type(error).__name__}: {error}): get these files again, or correct the pipeline'
        ) from error


@contextmanager
def _random_state_kept() -> Iterator[None]:
    state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)
