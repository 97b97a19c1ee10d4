"""Average a measure over images, and keep its values for every image."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from .labeled import check_labeled
from .maps import label_maps


class ImageMetric(BaseMetric):
    """Average values over the images in which they are defined.

    A name that ends in ``.<class>`` also has a mean over the classes, with an ``m`` before it.
    Images with only ignored pixels do not count.

    Args:
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.

    Attributes:
        per_image: The values of every image and its ``img_path``, on the main process after an
            evaluation; ``PerImageCSVHook`` writes them to a file.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(self, *, ignore_index: int = 255, **kwargs: Any):
        super().__init__(**kwargs)
        self.ignore_index = ignore_index
        self.per_image: list[dict] = []

    @abstractmethod
    def measure(
        self, predicted: np.ndarray, label: np.ndarray, sample: Mapping
    ) -> dict[str, float]:
        """Measure an image.

        Args:
            predicted: Predicted labels ``(H, W)``.
            label: True labels ``(H, W)``; some pixel is not ignored.
            sample: The data sample.

        Returns:
            The defined values by name.
        """

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Store the values of each image.

        Args:
            data_batch: Not used.
            data_samples: Predictions and ground truth.

        Raises:
            DataError: If a prediction and its ground truth differ in size.
        """
        for sample in data_samples:
            predicted, label = label_maps(sample)
            labeled = bool((label != self.ignore_index).any())
            values = self.measure(predicted, label, sample) if labeled else {}
            self.results.append((sample.get('img_path', ''), labeled, values))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average the values over the images, and then over the classes.

        Args:
            results: Path, whether there are labeled pixels, and values, per image.

        Returns:
            The means over the classes, then the means over the images.

        Raises:
            ValueError: If no image has labeled pixels.
        """
        check_labeled(self, results, sum(labeled for _, labeled, _ in results))
        self.per_image = [dict(img_path=path, **values) for path, _, values in results]
        means = means_of([values for *_, values in results])
        return means_over_classes(means) | means


def means_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average each name over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: mean(row[name] for row in rows if name in row) for name in names}


def means_over_classes(values: Mapping[str, float]) -> dict[str, float]:
    """Average values with the names ``<metric>.<class>`` over the classes, as ``m<metric>``."""
    groups: dict[str, list[float]] = {}
    for name, value in values.items():
        metric, dot, _ = name.partition('.')
        if dot:
            groups.setdefault(f'm{metric}', []).append(value)
    return {name: mean(group) for name, group in groups.items()}
