"""Class weights that a config holds as numbers are right for one training split alone."""

from typing import Any, Literal

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...datasets.class_weights import class_weights, count_pixels
from ...errors import DataError


@HOOKS.register_module()
class ClassWeightCheckHook(Hook):
    """Counts the training set before training starts, and stops where the weights are others.

    Args:
        kind: How the classes are weighed, see ``tools/class_weights.py``.
    """

    def __init__(self, *, kind: Literal['median_frequency', 'inverse_frequency']):
        self.kind = kind

    def before_train(self, runner: Runner) -> None:
        """Compare the class weights of all losses with the training set.

        Raises:
            DataError: If they differ by more than a thousandth, or there are none, or a class
                does not occur.
        """
        dataset = runner.train_loop.dataloader.dataset
        pixels = count_pixels(dataset)
        right = class_weights(pixels, classes=dataset.metainfo['classes'])[self.kind]
        given: list[Any] = [getattr(each, 'class_weight', None) for each in runner.model.modules()]
        given = [torch.as_tensor(each).tolist() for each in given if each is not None]
        given = [[float(f'{weight:.5g}') for weight in each] for each in given]
        wrong = [each for each in given or [None] if not _close(each, right)]
        if wrong:
            raise DataError(
                f'The class weights of the loss are {wrong[0]}, but the {self.kind} weights of the '
                f'{len(pixels)} training images are {right}: set '
                'model.decode_head.loss_decode.class_weight to these, or, to keep yours, leave '
                'ClassWeightCheckHook out of custom_hooks'
            )


def _close(given: list[float] | None, right: list[float]) -> bool:
    return given is not None and len(given) == len(right) and np.allclose(given, right, rtol=1e-3)
