"""What all metrics refuse: to be computed from nothing."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric


def check_labeled(metric: BaseMetric, results: Sequence, found: int) -> None:
    """Check that something counts, since the mean over nothing is not a number.

    Args:
        metric: The metric, which has an ``ignore_index``.
        results: What it keeps of every image.
        found: How many labeled pixels, or images with one, are among them.

    Raises:
        ValueError: If there is none.
    """
    if not found:
        raise ValueError(
            f'{type(metric).__name__} found no labeled pixel in {len(results)} images: check '
            f'their masks and ignore_index, which is {metric.ignore_index}'
        )
