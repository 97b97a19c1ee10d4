"""Return IoU, accuracy, Dice, F-score and specificity of every class, not only the means."""

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

from ...errors import DataError
from .labeled import check_class, check_labeled

SPECIFICITY = 'mSpecificity'
MOST = 256  # classes that fit into a mask of 8 bits


@METRICS.register_module()
class PerClassIoUMetric(IoUMetric):
    """Compute ``IoUMetric`` and also return ``IoU.<class>``, ``Acc.<class>`` and so on, in percent.

    So every logger records them, including TensorBoard, and a checkpoint hook can select by one of
    them with ``save_best='IoU.synapse', rule='greater'``. An undefined value, such as the IoU of a
    class that is neither labeled nor predicted, is left out, and so is a mean of undefined values.

    The F1 score of a class is its ``Dice``; set ``iou_metrics=['mIoU', 'mDice']`` to get it.
    ``Fscore`` is the same number if precision and recall are defined and positive. For a class that
    is labeled but never predicted correctly, the F1 score is 0 and ``Fscore`` is undefined.

    ``iou_metrics=['mIoU', 'mSpecificity']`` also computes the specificity TN / (TN + FP) of each
    class against all others: the fraction of the pixels outside of a class that are predicted as
    outside of it. It is undefined if all pixels are of this class.

    Pixels are counted in integers; in the float32 of the original, counts stop at 16,777,216.

    Args:
        background: Name of a class; the means without it are returned as
            ``mIoU_without_background`` and so on. ``None`` means no such means.
        kwargs: Arguments of MMSegmentation's ``IoUMetric``.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(self, *, background: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.background = background

    @property
    def dataset_meta(self) -> dict | None:
        """Return the meta data of the dataset, which the loop sets before the first image.

        Raises:
            DataError: If masks are written and the classes do not fit into 8 bits.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        classes = len(meta.get('classes') or ())
        if self.output_dir is not None and classes > MOST:
            raise DataError(
                f'IoUMetric writes masks with 8 bits, which cannot hold {classes} classes (at most '
                f'{MOST}): write them with tools/predict.py'
            )
        self._dataset_meta = meta

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Count the pixels of each class in one image.

        Args:
            pred_label: Predicted class of each pixel ``(H, W)``.
            label: Class of each pixel ``(H, W)``; labels that are not a class count for no class.
            num_classes: Number of classes C.
            ignore_index: Label of the ignored pixels.

        Returns:
            Areas of intersection, union, prediction and label in pixels, each ``(C,)``.
        """
        valid = label != ignore_index
        pred_label, label = pred_label[valid].long(), label[valid].long()
        intersection, predicted, labeled = (
            labels.bincount(minlength=num_classes)[:num_classes].cpu()
            for labels in (pred_label[pred_label == label], pred_label, label)
        )
        return intersection, predicted + labeled - intersection, predicted, labeled

    @classmethod
    def total_area_to_metrics(
        cls,
        total_area_intersect: Tensor,
        total_area_union: Tensor,
        total_area_pred_label: Tensor,
        total_area_label: Tensor,
        metrics: Sequence[str] = ('mIoU',),
        nan_to_num: int | None = None,
        beta: int = 1,
    ) -> dict[str, np.ndarray]:
        """Compute the metrics of ``IoUMetric``, and ``mSpecificity``.

        Args:
            total_area_intersect: Pixels with the right prediction ``(C,)``.
            total_area_union: Pixels predicted as the class or labeled with it ``(C,)``.
            total_area_pred_label: Pixels predicted as the class ``(C,)``.
            total_area_label: Pixels labeled with the class ``(C,)``.
            metrics: ``mIoU``, ``mDice``, ``mFscore`` and ``mSpecificity``, or some of them.
            nan_to_num: Value for undefined ones; ``None`` keeps them.
            beta: Weight of recall in ``mFscore``.

        Returns:
            The values of each class, from 0 to 1, by the names of the metrics without ``m``.
        """
        areas = total_area_intersect, total_area_union, total_area_pred_label, total_area_label
        names = [metrics] if isinstance(metrics, str) else list(metrics)
        others = [name for name in names if name != SPECIFICITY]
        values = super().total_area_to_metrics(*areas, others, nan_to_num, beta)
        if SPECIFICITY in names:
            pixels = total_area_pred_label.sum()
            specificity = (pixels - total_area_union) / (pixels - total_area_label)
            if nan_to_num is not None:
                specificity = specificity.nan_to_num(nan=nan_to_num)
            values[SPECIFICITY.removeprefix('m')] = specificity.numpy()
        return values

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics.

        Args:
            results: Areas of intersection, union, prediction and label, each ``(C,)``, per image.

        Returns:
            The means, then the values per class.

        Raises:
            ValueError: If no pixel is labeled, or ``background`` is not one of the classes.
        """
        if self.format_only:
            return super().compute_metrics(results)
        check_labeled(self, results, sum(int(labeled.sum()) for *_, labeled in results))
        means = super().compute_metrics(results)
        metrics = {name: value for name, value in means.items() if math.isfinite(value)}
        meta: Any = self.dataset_meta
        check_class(meta['classes'], background=self.background)
        right, union, predicted, labeled = (sum(areas) for areas in zip(*results, strict=True))
        values = self.total_area_to_metrics(
            right, union, predicted, labeled, self.metrics, self.nan_to_num, self.beta
        )
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
