"""Rotate images by right angles, for data without a preferred direction."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRightAngle(BaseTransform):
    """Rotate image and masks by 0, 90, 180 or 270 degrees with equal probability.

    Required keys: ``img``, ``seg_fields`` and the masks that it lists. Changed keys: these and
    ``img_shape``. Values are not interpolated.
    """

    @cache_randomness
    def _turns(self) -> int:
        return np.random.randint(4)

    def transform(self, results: dict) -> dict:
        """Rotate counterclockwise.

        Args:
            results: ``img`` is ``(H, W)`` or ``(H, W, C)``.

        Returns:
            The same dictionary.
        """
        turns = self._turns()
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = np.ascontiguousarray(np.rot90(results[key], turns))
        results['img_shape'] = results['img'].shape[:2]
        return results
