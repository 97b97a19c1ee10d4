"""Check that class weights in a config are those of its training split."""

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
    """Count the pixels of the training set, and stop if the class weights of a loss differ.

    Args:
        kind: Formula of the weights; see ``tools/class_weights.py``.
    """

    def __init__(self, *, kind: Literal['median_frequency', 'inverse_frequency']):
        self.kind = kind

    def before_train(self, runner: Runner) -> None:
        """Compare the class weights of all losses with the training set.

        Raises:
            DataError: If they differ by more than 0.1 %, if no loss has weights, or if a class
                does not occur.
        """
        dataset = runner.train_loop.dataloader.dataset
        pixels = count_pixels(dataset)
        expected = class_weights(pixels, classes=dataset.metainfo['classes'])[self.kind]
        weights: list[Any] = [
            getattr(module, 'class_weight', None) for module in runner.model.modules()
        ]
        weights = [torch.as_tensor(values).tolist() for values in weights if values is not None]
        weights = [[float(f'{weight:.5g}') for weight in values] for values in weights]
        wrong = [values for values in weights or [None] if not _close(values, expected)]
        if wrong:
            raise DataError(
                f'The class weights of the loss are {wrong[0]}, but the {self.kind} weights of the '
                f'{len(pixels)} training images are {expected}: set '
                'model.decode_head.loss_decode.class_weight to the latter or, to keep the former, '
                'remove ClassWeightCheckHook from custom_hooks'
            )


def _close(weights: list[float] | None, expected: list[float]) -> bool:
    if weights is None or len(weights) != len(expected):
        return False
    return np.allclose(weights, expected, rtol=1e-3)
