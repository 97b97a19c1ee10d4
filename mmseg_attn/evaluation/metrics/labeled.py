"""Check that metrics have labeled pixels, and that their arguments name classes."""

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


def check_class(classes: Sequence[str], **arguments: str | None) -> None:
    """Check that arguments of a metric are the names of classes.

    Args:
        classes: The names of the classes.
        arguments: The arguments; ``None`` is accepted.

    Raises:
        ValueError: If an argument is not one of the classes.
    """
    for name, value in arguments.items():
        if value not in (None, *classes):
            raise ValueError(
                f'{name}={value!r} is not one of the classes: choose one of {list(classes)}'
            )
