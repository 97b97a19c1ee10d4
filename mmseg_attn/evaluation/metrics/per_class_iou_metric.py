"""IoU and its kin for every class, where MMSegmentation's metric returns the mean alone."""

import math
from statistics import mean

from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class PerClassIoUMetric(IoUMetric):
    """``IoUMetric`` that also returns ``IoU.<class>``, ``Acc.<class>`` and so on, in per cent.

    So every logger gets them, TensorBoard too, and a checkpoint hook can watch one with
    ``save_best='IoU.synapse', rule='greater'``. A value that
    is not defined, as the IoU of a class that is neither labelled nor predicted, is left out.

    The F1 score of a class is its ``Dice``: ask for it with ``iou_metrics=['mIoU', 'mDice']``.
    ``Fscore`` is the same number where both precision and recall are defined and positive; for a
    class that is labelled and never found it is not defined, where the F1 score is 0.

    Args:
        background: class without which the means are given a second time, as
            ``mIoU_without_background`` and so on; ``None`` for none.
        kwargs: what MMSegmentation's ``IoUMetric`` takes.
    """

    def __init__(self, *, background: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.background = background

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics.

        Args:
            results: areas of intersection, union, prediction and label per class, per image.

        Returns:
            The means, then the values per class.

        Raises:
            ValueError: if ``background`` is none of the classes.
        """
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        if self.background not in (None, *self.dataset_meta['classes']):
            raise ValueError(
                f'background={self.background!r} is none of the classes: choose one of '
                f'{list(self.dataset_meta["classes"])}'
            )
        areas = [sum(areas) for areas in zip(*results, strict=True)]
        values = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        values.pop('aAcc')
        for metric, per_class in values.items():
            names = self.dataset_meta['classes']
            percents = {
                name: round(100 * value, 2)
                for name, value in zip(names, per_class.tolist(), strict=True)
                if math.isfinite(value)
            }
            foreground = [v for name, v in percents.items() if name != self.background]
            if self.background is not None and foreground:
                metrics[f'm{metric}_without_background'] = round(mean(foreground), 2)
            metrics.update({f'{metric}.{name}': value for name, value in percents.items()})
        return metrics
