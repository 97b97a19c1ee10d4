"""Change the brightness of images at random."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ...errors import DataError


@TRANSFORMS.register_module()
class RandomBrightness(BaseTransform):
    """Add one random number to all values of an 8-bit image.

    Changed key: ``img``. MMSegmentation's ``PhotoMetricDistortion`` always changes contrast,
    saturation and hue, too.

    Args:
        delta: The number is drawn uniformly from ``[-delta, delta]``.
    """

    def __init__(self, *, delta: float = 32) -> None:
        if not 0 <= delta <= 255:
            raise ValueError(f'delta is {delta}: choose a number of gray levels from 0 to 255')
        self.delta = delta

    @cache_randomness
    def _shift(self) -> float:
        return np.random.uniform(-self.delta, self.delta)

    def transform(self, results: dict) -> dict:
        """Add the number to the image and clip the values to 0 to 255.

        Args:
            results: ``img`` is ``(H, W)`` or ``(H, W, C)``, uint8.

        Returns:
            The same dictionary. The type and shape of the image do not change.

        Raises:
            DataError: If the image does not have 8 bits.
        """
        image = results['img']
        if image.dtype != np.uint8:
            raise DataError(
                f'RandomBrightness needs 8-bit images, but {results.get("img_path")} is '
                f'{image.dtype}: put it before the transforms that change the type'
            )
        shifted = np.clip(image.astype(np.float32) + self._shift(), 0, 255)
        results['img'] = shifted.round().astype(image.dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(delta={self.delta})'
