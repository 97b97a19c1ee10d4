"""Crop around rare classes, so that small sets teach them, too."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import TRANSFORMS

from ...errors import DataError


@TRANSFORMS.register_module()
class ClassBalancedCrop(RandomCrop):
    """Center some of the crops on a pixel of a chosen class.

    With probability ``prob``, a class is drawn among ``classes`` that the image contains, all with
    the same probability, and then one of its pixels. The crop has this pixel in the middle, or as
    close to the middle as the borders of the image allow. All other crops are those of
    ``RandomCrop``. nnU-Net does so for a third of each batch, among all classes except the
    background (Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z).

    Required and changed keys: those of MMSegmentation's ``RandomCrop``. Of an image that is smaller
    than the crop, the whole side remains, and the data preprocessor pads it.

    Args:
        crop_size: Height and width in pixels, or one number for both.
        prob: Probability of a crop around a class.
        classes: Numbers of the classes to draw from; ``None`` draws from all except class 0.
        cat_max_ratio: Largest fraction of one class in the other crops, as in ``RandomCrop``.
        ignore_index: Label of the ignored pixels, around which no crop is made.

    Raises:
        DataError: If ``prob`` is not a probability, or a class is the ignored label.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        *,
        prob: float = 1 / 3,
        classes: Sequence[int] | None = None,
        cat_max_ratio: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        if isinstance(crop_size, list):  # of a config that was read from JSON
            crop_size = tuple(crop_size)
        super().__init__(crop_size, cat_max_ratio=cat_max_ratio, ignore_index=ignore_index)
        if not 0 <= prob <= 1:
            raise DataError(f'prob of ClassBalancedCrop is {prob}: set a number from 0 to 1')
        if classes is not None and (ignore_index in classes or not len(classes)):
            raise DataError(
                f'classes of ClassBalancedCrop is {list(classes)}: name classes other than the '
                f'ignored label {ignore_index}'
            )
        self.prob = prob
        self.classes = classes

    def crop_bbox(self, results: dict) -> tuple[int, int, int, int]:
        """Draw the crop: first and last row, first and last column, the last ones excluded."""
        return self._draw_bbox(results)

    @cache_randomness  # without a docstring: Sphinx cannot show what it decorates
    def _draw_bbox(self, results: dict) -> tuple[int, int, int, int]:
        if np.random.random() >= self.prob:
            return super().crop_bbox(results)
        labels = results['gt_seg_map']
        candidates = self._present(labels)
        if not candidates.size:
            return super().crop_bbox(results)
        pixels = np.flatnonzero(labels == np.random.choice(candidates))
        center = divmod(int(np.random.choice(pixels)), labels.shape[1])
        bounds = []
        for position, side, size in zip(center, labels.shape, self.crop_size, strict=True):
            first = min(max(position - size // 2, 0), max(side - size, 0))
            bounds += [first, first + size]
        return tuple(bounds)

    def _present(self, labels: np.ndarray) -> np.ndarray:
        """Return the classes of the image from which one is drawn."""
        present = np.unique(labels)
        if self.classes is None:
            return present[(present != 0) & (present != self.ignore_index)]
        return np.intersect1d(present, self.classes)
