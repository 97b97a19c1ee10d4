"""IoU and its kin for every class, where MMSegmentation's metric returns the mean alone."""

import math
from statistics import mean
from typing import Any

from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

from ...errors import DataError
from .labeled import check_labeled

MOST = 256  # classes of a mask of 8 bits


@METRICS.register_module()
class PerClassIoUMetric(IoUMetric):
    """``IoUMetric`` that also returns ``IoU.<class>``, ``Acc.<class>`` and so on, in percent.

    So every logger gets them, TensorBoard too, and a checkpoint hook can watch one with
    ``save_best='IoU.synapse', rule='greater'``. A value that is not defined, as the IoU of a class
    that is neither labeled nor predicted, is left out, a mean of nothing but such values too.

    The F1 score of a class is its ``Dice``: ask for it with ``iou_metrics=['mIoU', 'mDice']``.
    ``Fscore`` is the same number where both precision and recall are defined and positive; for a
    class that is labeled and never found it is not defined, where the F1 score is 0.

    Pixels are counted in integers; the original's float32 stops at 16,777,216 of a class.

    Args:
        background: Class without which the means are given a second time, as
            ``mIoU_without_background`` and so on; ``None`` for none.
        kwargs: What MMSegmentation's ``IoUMetric`` takes.
    """

    default_prefix = ''  # names have none; MMEngine warns of None

    def __init__(self, *, background: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.background = background

    @property
    def dataset_meta(self) -> dict | None:
        """Names of the classes and more, which the loop sets before the first image.

        Raises:
            DataError: If masks are to be written and have more classes than 8 bits can hold.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        classes = len(meta.get('classes') or ())
        if self.output_dir is not None and classes > MOST:
            raise DataError(
                f'masks are written with 8 bits, which hold {MOST} classes, not {classes}: write '
                'them with tools/predict.py'
            )
        self._dataset_meta = meta

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Count the pixels of each class in one image.

        Args:
            pred_label: Predicted class of each pixel ``(H, W)``.
            label: Class of each pixel ``(H, W)``; labels beyond the classes count nowhere.
            num_classes: Number of classes C.
            ignore_index: Label of the pixels that do not count.

        Returns:
            Areas of intersection, union, prediction and label, each ``(C,)``.
        """
        valid = label != ignore_index
        pred_label, label = pred_label[valid].long(), label[valid].long()
        intersection, predicted, labeled = (
            labels.bincount(minlength=num_classes)[:num_classes].cpu()
            for labels in (pred_label[pred_label == label], pred_label, label)
        )
        return intersection, predicted + labeled - intersection, predicted, labeled

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics.

        Args:
            results: Areas of intersection, union, prediction and label per class, per image.

        Returns:
            The means, then the values per class.

        Raises:
            ValueError: If no pixel counts, or ``background`` is none of the classes.
        """
        if self.format_only:
            return super().compute_metrics(results)
        check_labeled(self, results, sum(int(labeled.sum()) for *_, labeled in results))
        means = super().compute_metrics(results)
        metrics = {name: value for name, value in means.items() if math.isfinite(value)}
        meta: Any = self.dataset_meta
        if self.background not in (None, *meta['classes']):
            raise ValueError(
                f'background={self.background!r} is none of the classes: choose one of '
                f'{list(meta["classes"])}'
            )
        areas = [sum(areas) for areas in zip(*results, strict=True)]
        values = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        values.pop('aAcc')
        for metric, per_class in values.items():
            names = meta['classes']
            percents = {
                name: 100 * value
                for name, value in zip(names, per_class.tolist(), strict=True)
                if math.isfinite(value)
            }
            foreground = [v for name, v in percents.items() if name != self.background]
            if self.background is not None and foreground:
                metrics[f'm{metric}_without_background'] = round(mean(foreground), 2)
            metrics.update(
                {f'{metric}.{name}': round(value, 2) for name, value in percents.items()}
            )
        return metrics
