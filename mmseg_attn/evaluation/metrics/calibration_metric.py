"""Compute the expected calibration error."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ..calibration import BINS, calibration_bins, expected_calibration_error
from .labeled import check_labeled
from .logits import probabilities


@METRICS.register_module()
class CalibrationMetric(BaseMetric):
    """Compute ``ECE``, the expected calibration error over all labeled pixels, from 0 to 1.

    The confidence of a pixel is the probability of its predicted class. The pixels are divided into
    bins of equal width by their confidence; see ``expected_calibration_error`` for the formula.

    Args:
        bins: Number of bins.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.

    Raises:
        ValueError: If there are no bins.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(self, *, bins: int = BINS, ignore_index: int = 255, **kwargs: Any):
        super().__init__(**kwargs)
        if bins < 1:
            raise ValueError(f'bins must be at least 1, got {bins}')
        self.bins = bins
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Store the bins of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions with logits ``(C, H, W)``, and ground truth ``(1, H, W)``.

        Raises:
            DataError: If the model kept only labels, or logits and labels differ in size.
            ValueError: If a labeled pixel has no probabilities.
        """
        for sample in data_samples:
            p = probabilities(self, sample)  # (C, H, W)
            size = p.shape[1:]
            predicted = sample['pred_sem_seg']['data'].reshape(1, *size).long()
            label = sample['gt_sem_seg']['data'].reshape(1, *size).to(p.device)
            valid = label != self.ignore_index
            table = calibration_bins(
                p.gather(0, predicted)[valid], (predicted == label)[valid], self.bins
            )
            self.results.append(table.cpu())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the error.

        Args:
            results: Bins ``(3, B)`` per image.

        Returns:
            ``ECE``.

        Raises:
            ValueError: If no pixel is labeled.
        """
        table = sum(results)
        check_labeled(self, results, int(table[0].sum()) if results else 0)
        return dict(ECE=expected_calibration_error(table))
