"""What all metrics refuse: to be computed from nothing."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric


def check_labeled(metric: BaseMetric, results: Sequence, found: int) -> None:
    """Check that something counts, since the mean over nothing is not a number.

    Args:
        metric: the metric, which has an ``ignore_index``.
        results: what it keeps of every image.
        found: how many labeled pixels, or images with one, are among them.

    Raises:
        ValueError: if there is none.
    """
    if not found:
        raise ValueError(
            f'{type(metric).__name__} found no labeled pixel in {len(results)} images: check '
            f'their masks and ignore_index, which is {metric.ignore_index}'
        )
