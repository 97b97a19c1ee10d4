"""Compute distances between the surfaces of predicted and true classes, on MONAI's functions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmseg.registry import METRICS

from ...compat.libraries import optional_library
from .image_metric import ImageMetric
from .labeled import check_class

PERCENTILE = 95
ROUNDING = 1e-6  # relative; a distance of 3 * 4.6 is not always 13.8


@METRICS.register_module()
class SurfaceMetric(ImageMetric):
    """Compute Hausdorff distance, average surface distance and surface Dice of every class.

    The surface of a class is its pixels with at least one of four neighbors outside of the class;
    pixels at the border of the image belong to it. For each surface pixel of the prediction, take
    the Euclidean distance to the closest surface pixel of the ground truth, and vice versa:

    - ``HD95_<unit>.<class>`` is the 95th percentile of the distances in each direction, and the
      larger of the two.
    - ``ASSD_<unit>.<class>`` is the mean of all distances in both directions.
    - ``NSD_<unit>.<class>`` is the fraction of all distances that are at most ``tolerance``, which
      has this unit, in percent.

    The values are means over the images. ``mHD95_<unit>`` and so on are means over the classes.

    If neither the prediction nor the ground truth of an image contains a class, this image does not
    count for the class. If only one of them contains it, no distance exists: HD95 and ASSD are the
    diagonal of the image, and NSD is 0. So a model cannot gain by not predicting a class.

    Ignored pixels count as outside of the image: they belong to no class, in the ground truth and
    in the prediction.

    The unit is that of ``spacing``. Without it, the spacing comes from the image (``spacing`` and
    ``spacing_unit`` in ``meta_keys`` of ``PackSegInputs``) or from ``metainfo`` of the dataset
    (``spacing`` and ``spacing_unit``). If neither knows it, distances are in pixels (``px``).

    Args:
        spacing: Distance between pixels, a number or one for rows and one for columns, of the label
            maps that are compared. ``None`` means that of the dataset.
        unit: Unit of ``spacing``.
        tolerance: Largest distance that counts as equal in NSD, in the unit of the results;
            ``None`` means no NSD.
        background: Name of a class that is not measured. ``None`` means that all are.
        kwargs: Arguments of ``ImageMetric``.

    Raises:
        UsageError: If MONAI is not installed.
        ValueError: If ``spacing`` or ``tolerance`` are not positive numbers.
    """

    def __init__(
        self,
        *,
        spacing: float | Sequence[float] | None = None,
        unit: str = 'mm',
        tolerance: float | None = None,
        background: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.spacing = None if spacing is None else _pair(spacing)
        self.unit = unit
        if tolerance is not None and not 0 <= tolerance < math.inf:
            raise ValueError(f'tolerance must be a number from 0 on, got {tolerance}')
        self.tolerance = tolerance
        self.background = background
        monai = optional_library('monai.metrics', package='monai', part=type(self).__name__)
        self.mask_edges, self.surface_distance = monai.get_mask_edges, monai.get_surface_distance

    def measure(
        self, predicted: np.ndarray, label: np.ndarray, sample: Mapping
    ) -> dict[str, float]:
        """Measure the classes of an image.

        Args:
            predicted: Predicted labels ``(H, W)``.
            label: True labels ``(H, W)``.
            sample: The data sample, which may have a spacing.

        Returns:
            HD95, ASSD and NSD by class.

        Raises:
            ValueError: If ``background`` is not one of the classes.
        """
        meta: Any = self.dataset_meta
        check_class(meta['classes'], background=self.background)
        spacing, unit = self._spacing(sample)
        valid = label != self.ignore_index
        values: dict[str, float] = {}
        for index, name in enumerate(meta['classes']):
            first, second = ((labels == index) & valid for labels in (predicted, label))
            if name == self.background or not (first.any() or second.any()):
                continue
            if first.any() and second.any():
                hd95, assd, nsd = self._distances(first, second, spacing)
            else:
                diagonal = math.hypot(*np.multiply(label.shape, spacing))
                hd95, assd, nsd = diagonal, diagonal, 0.0
            values |= {f'HD95_{unit}.{name}': hd95, f'ASSD_{unit}.{name}': assd}
            if self.tolerance is not None:
                values[f'NSD_{unit}.{name}'] = 100 * nsd
        return values

    def _spacing(self, sample: Mapping) -> tuple[tuple[float, float], str]:
        """Return the distance between rows and between columns, and its unit."""
        if self.spacing is not None:
            return self.spacing, self.unit
        meta: Any = self.dataset_meta
        for source in (sample, meta):
            if source.get('spacing') is not None:
                return _pair(source['spacing']), source.get('spacing_unit') or self.unit
        return (1.0, 1.0), 'px'

    def _distances(
        self, predicted: np.ndarray, label: np.ndarray, spacing: tuple[float, float]
    ) -> tuple[float, float, float]:
        """Return HD95, ASSD, and NSD as a fraction, of two masks ``(H, W)`` with pixels."""
        edges = self.mask_edges(predicted, label)
        directions = [
            np.asarray(self.surface_distance(*pair, spacing=spacing), dtype=float)
            for pair in (edges, edges[::-1])
        ]
        hd95 = max(float(np.percentile(distances, PERCENTILE)) for distances in directions)
        distances = np.concatenate(directions)
        near = distances <= (self.tolerance or 0) * (1 + ROUNDING)
        return hd95, float(distances.mean()), float(near.mean())


def _pair(spacing: Any) -> tuple[float, float]:
    """Return the spacing of rows and columns, which may be of NumPy or PyTorch."""
    values = (spacing, spacing) if np.ndim(spacing) == 0 else tuple(spacing)
    if len(values) != 2 or not all(0 < value < math.inf for value in values):
        raise ValueError(f'spacing must be one or two positive numbers, got {spacing}')
    return float(values[0]), float(values[1])
