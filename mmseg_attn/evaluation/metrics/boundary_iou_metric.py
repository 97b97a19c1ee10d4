"""Compute the Boundary IoU of Cheng et al., *Boundary IoU*, CVPR 2021 (arXiv 2103.16562)."""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from .image_metric import means_over_classes
from .labeled import check_labeled
from .maps import label_maps

KERNEL = np.ones((3, 3), np.uint8)


@METRICS.register_module()
class BoundaryIoUMetric(BaseMetric):
    """Compute ``BIoU.<class>``: the IoU of the boundary regions of a class, in percent.

    The boundary region of a mask is its pixels within a distance d of its contour, the border of
    the image included: the mask without its erosion by d steps of a 3x3 square. d is
    ``dilation_ratio`` times the diagonal of the image, rounded, and at least one pixel.

    As in mIoU, intersections and unions are summed over the images before they are divided.
    ``mBIoU`` is the mean over the classes. A class that occurs nowhere is left out.

    Ignored pixels count as outside of the image: they belong to no class, in the ground truth and
    in the prediction, and their edge is a contour.

    Args:
        dilation_ratio: Width of the boundary region as a fraction of the diagonal of the image.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.

    Raises:
        ValueError: If ``dilation_ratio`` is not above 0 and up to 1.

    Attributes:
        per_image: The values of every image and its ``img_path``, on the main process after an
            evaluation; ``PerImageCSVHook`` writes them to a file.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(self, *, dilation_ratio: float = 0.02, ignore_index: int = 255, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 < dilation_ratio <= 1:
            raise ValueError(f'dilation_ratio must be above 0 and up to 1, got {dilation_ratio}')
        self.dilation_ratio = dilation_ratio
        self.ignore_index = ignore_index
        self.per_image: list[dict] = []

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Store intersection and union of the boundary regions of each class and image.

        Args:
            data_batch: Not used.
            data_samples: Predictions and ground truth.

        Raises:
            DataError: If a prediction and its ground truth differ in size.
        """
        meta: Any = self.dataset_meta
        classes = range(len(meta['classes']))
        for sample in data_samples:
            predicted, label = label_maps(sample)
            valid = label != self.ignore_index
            areas = np.zeros((2, len(classes)), np.int64)
            for index in classes:
                masks = [(labels == index) & valid for labels in (predicted, label)]
                if any(mask.any() for mask in masks):
                    first, second = (boundary(mask, self.dilation_ratio) for mask in masks)
                    areas[:, index] = (first & second).sum(), (first | second).sum()
            self.results.append((sample.get('img_path', ''), int(valid.sum()), areas))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the values of the classes and their mean.

        Args:
            results: Path, number of labeled pixels, and areas ``(2, C)``, per image.

        Returns:
            ``mBIoU``, then ``BIoU.<class>``.

        Raises:
            ValueError: If no pixel is labeled.
        """
        check_labeled(self, results, sum(labeled for _, labeled, _ in results))
        self.per_image = [
            dict(img_path=path, **self._percents(areas)) for path, _, areas in results
        ]
        values = self._percents(sum(areas for *_, areas in results))
        return means_over_classes(values) | values

    def _percents(self, areas: np.ndarray) -> dict[str, float]:
        meta: Any = self.dataset_meta
        return {
            f'BIoU.{name}': 100 * int(intersection) / int(union)
            for name, intersection, union in zip(meta['classes'], *areas, strict=True)
            if union
        }


def boundary(mask: np.ndarray, dilation_ratio: float) -> np.ndarray:
    """Return the boundary region of a mask.

    Args:
        mask: Mask ``(H, W)``, bool.
        dilation_ratio: Width of the region as a fraction of the diagonal of the image.

    Returns:
        The region ``(H, W)``, bool.
    """
    distance = max(1, round(dilation_ratio * math.hypot(*mask.shape)))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, KERNEL, iterations=distance)[1:-1, 1:-1]
    return mask & (inner == 0)
