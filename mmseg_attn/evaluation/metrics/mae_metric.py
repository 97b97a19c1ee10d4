"""Compute the mean absolute error, eq. 4 of the CSAM-ResUNet paper, for any number of classes."""

from collections.abc import Sequence
from typing import Any, Literal

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from .labeled import check_labeled
from .logits import probabilities
from .maps import check_sizes


@METRICS.register_module()
class MAEMetric(BaseMetric):
    """Compute ``MAE``: the mean of ``|y - y'|`` over pixels and classes.

    y is the one-hot ground truth, y' the one-hot prediction or the probabilities. With two classes
    and ``on='labels'`` it is the fraction of wrong pixels, from 0 to 1; with C classes it is 2 / C
    times this fraction. Ignored pixels do not count; a pixel whose label is no class is wrong.

    Args:
        on: Prediction to compare with the ground truth: ``labels`` or ``probabilities``.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.

    Raises:
        ValueError: If ``on`` is neither of the two.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(
        self,
        *,
        on: Literal['labels', 'probabilities'] = 'labels',
        ignore_index: int = 255,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if on not in ('labels', 'probabilities'):
            raise ValueError(f"on must be 'labels' or 'probabilities', got {on!r}")
        self.on = on
        self.ignore_index = ignore_index

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Store the sum of the errors and the number of labeled pixels of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions and ground truth, ``(1, H, W)``; logits ``(C, H, W)``.

        Raises:
            DataError: If the model kept only labels, and the probabilities are needed, or if
                prediction and labels differ in size.
            ValueError: If a labeled pixel has no probabilities, and they are needed.
        """
        for sample in data_samples:
            on_labels = self.on == 'labels'
            predicted = sample['pred_sem_seg']['data'] if on_labels else probabilities(self, sample)
            label = sample['gt_sem_seg']['data'].squeeze(0).to(predicted.device)
            check_sizes(sample, predicted.shape[-2:], label.shape)
            valid = label != self.ignore_index
            right = self._right(predicted, label.where(valid, 0).long())
            # the probability that the true class lacks is spread over the other classes
            error = 2 / len(self.dataset_meta['classes']) * (1 - right[valid].double())
            self.results.append((error.sum().item(), int(valid.sum())))

    def _right(self, predicted: Tensor, label: Tensor) -> Tensor:
        """Return the probability of the true class of each pixel ``(H, W)``, from 0 to 1."""
        if self.on == 'labels':
            return predicted.squeeze(0) == label
        known = label < len(predicted)
        return predicted.gather(0, label.where(known, 0).unsqueeze(0)).squeeze(0) * known

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average the errors over the labeled pixels of all images.

        Args:
            results: Sum of the errors and number of labeled pixels, per image.

        Returns:
            ``MAE``.

        Raises:
            ValueError: If no pixel is labeled.
        """
        pixels = sum(count for _, count in results)
        check_labeled(self, results, pixels)
        return dict(MAE=sum(error for error, _ in results) / pixels)
