"""Compare the cells that membranes separate: adapted Rand error and variation of information."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmseg.registry import METRICS

from ...compat.libraries import optional_library
from .image_metric import ImageMetric
from .labeled import check_class


@METRICS.register_module()
class MembraneMetric(ImageMetric):
    """Compute adapted Rand error and variation of information of a membrane segmentation.

    The segments of an image are the connected components (4 neighbors) of all pixels that are not
    membrane, in the ground truth and in the prediction. scikit-image computes

    - ``ARE``, the adapted Rand error: 1 minus the F-score of the pairs of pixels in one segment,
      from 0 (best) to 1. The F-score weights precision and recall equally.
    - ``VOI_split``, H(prediction | ground truth), and ``VOI_merge``, H(ground truth | prediction),
      in bits. ``VOI`` is their sum. 0 is best.

    As in the ISBI 2012 and SNEMI3D challenges, only pixels of segments of the ground truth count,
    not its membrane. Ignored pixels belong to no segment, in the ground truth and in the
    prediction. The two challenges differ in the pixels that are predicted as membrane:

    - ``thin=True``: they belong to the closest predicted segment, so the width of the predicted
      membrane does not change the values. The final scores of ISBI 2012 also thin the membranes.
    - ``thin=False``: each is a segment of its own, as in SNEMI3D and the first score of ISBI 2012.

    Differences from the challenges: the prediction is the class with the largest logit, not the
    best of several thresholds; every image is a 2D image of its own, and the values are means over
    the images. Images whose ground truth is only membrane do not count.

    Args:
        membrane: Name of the class of the membranes; all other classes are cells.
        thin: Whether predicted membrane pixels belong to the closest predicted segment.
        kwargs: Arguments of ``ImageMetric``.

    Raises:
        UsageError: If scikit-image is not installed.
    """

    def __init__(self, *, membrane: str = 'membrane', thin: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.membrane = membrane
        self.thin = thin
        measure, segmentation, metrics = (
            optional_library(name, package='scikit-image', part=type(self).__name__)
            for name in ('skimage.measure', 'skimage.segmentation', 'skimage.metrics')
        )
        self.components, self.expand = measure.label, segmentation.expand_labels
        self.rand_error = metrics.adapted_rand_error
        self.variation = metrics.variation_of_information

    def measure(
        self, predicted: np.ndarray, label: np.ndarray, sample: Mapping
    ) -> dict[str, float]:
        """Compare the segments of an image.

        Args:
            predicted: Predicted labels ``(H, W)``.
            label: True labels ``(H, W)``.
            sample: Not used.

        Returns:
            The values; empty if the ground truth is only membrane.

        Raises:
            ValueError: If ``membrane`` is not one of the classes.
        """
        meta: Any = self.dataset_meta
        check_class(meta['classes'], membrane=self.membrane)
        membrane = meta['classes'].index(self.membrane)
        valid = label != self.ignore_index
        true, cells = (
            self._segments((labels != membrane) & valid) for labels in (label, predicted)
        )
        counted = true > 0
        if not counted.any():
            return {}
        if self.thin:
            cells = self.expand(cells, distance=sum(cells.shape))
        gaps = cells == 0
        cells[gaps] = cells.max() + 1 + np.arange(gaps.sum())
        segments = true[counted], np.unique(cells[counted], return_inverse=True)[1]
        with np.errstate(invalid='ignore', divide='ignore'):  # precision without a predicted pair
            error, _, _ = self.rand_error(*segments)
        split, merge = self.variation(*segments)
        values = dict(ARE=error, VOI=merge + split, VOI_split=split, VOI_merge=merge)
        return {name: float(value) for name, value in values.items() if np.isfinite(value)}

    def _segments(self, mask: np.ndarray) -> np.ndarray:
        """Number the connected components of a mask ``(H, W)`` from 1 on, int64."""
        return self.components(mask, connectivity=1).astype(np.int64)
