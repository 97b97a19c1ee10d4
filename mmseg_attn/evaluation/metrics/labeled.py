"""Check that metrics are not computed without labeled pixels."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from ...io import counted


def check_labeled(metric: BaseMetric, results: Sequence, count: int) -> None:
    """Check that there are labeled pixels; a mean over none of them would be NaN.

    Args:
        metric: The metric, which has an ``ignore_index``.
        results: Its results, one per image.
        count: Number of labeled pixels, or of images with labeled pixels.

    Raises:
        ValueError: If there are none.
    """
    if not count:
        raise ValueError(
            f'{type(metric).__name__} found no labeled pixel in {counted(len(results), "image")}: '
            f'check the masks and ignore_index, which is {metric.ignore_index}'
        )
