"""Mean absolute error, eq. 4 of the CSAM-ResUNet paper, for any number of classes."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from .labeled import check_labeled


@METRICS.register_module()
class MAEMetric(BaseMetric):
    """``MAE``: mean over pixels and classes of ``|y - y'|``, both as one value per class.

    With two classes and ``on='labels'`` it is the share of wrong pixels, from 0 to 1; with C
    classes 2 / C of that share. Ignored pixels do not count. With test-time augmentation the
    probabilities are those of one augmentation, not of their mean.

    Args:
        on: What is compared with the labels: predicted ``labels`` or ``probabilities``.
        ignore_index: Label of the pixels that do not count.
        kwargs: What MMEngine's ``BaseMetric`` takes.

    Raises:
        ValueError: If ``on`` is neither of the two.
    """

    default_prefix = ''  # names have none; MMEngine warns of None

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
        """Keep the sum of the errors and the number of pixels of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions, with the ground truth.
        """
        for sample in data_samples:
            predicted = sample['pred_sem_seg' if self.on == 'labels' else 'seg_logits']['data']
            label = sample['gt_sem_seg']['data'].squeeze(0).to(predicted.device)
            valid = label != self.ignore_index
            right = self._right(predicted, label.where(valid, 0).long())
            # right is taken away from the labeled class and spread over the others
            error = 2 / len(self.dataset_meta['classes']) * (1 - right[valid].double())
            self.results.append((error.sum().item(), int(valid.sum())))

    def _right(self, predicted: Tensor, label: Tensor) -> Tensor:
        """What the prediction gives to the labeled class of each pixel, from 0 to 1."""
        if self.on == 'labels':
            return predicted.squeeze(0) == label
        if len(predicted) == 1:  # MMSegmentation has already taken the sigmoid
            p = torch.cat([1 - predicted, predicted])
        else:
            p = predicted.float().softmax(dim=0)  # (C, H, W)
        return p.gather(0, label.unsqueeze(0)).squeeze(0)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Divide the sum over all images by their pixels.

        Args:
            results: Sum of the errors and number of pixels per image.

        Raises:
            ValueError: If no pixel counts.
        """
        pixels = sum(count for _, count in results)
        check_labeled(self, results, pixels)
        return dict(MAE=sum(error for error, _ in results) / pixels)
