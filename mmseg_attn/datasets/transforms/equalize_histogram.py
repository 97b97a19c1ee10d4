"""Equalize the histogram of images."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from ...errors import DataError


@TRANSFORMS.register_module()
class EqualizeHistogram(BaseTransform):
    """Equalize the histogram of the whole image, channel by channel, in training and in testing.

    Changed key: ``img``. Put it before padding, whose pixels would be counted. MMSegmentation's
    ``CLAHE`` equalizes tile by tile instead.
    """

    def transform(self, results: dict) -> dict:
        """Equalize the image.

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
                f'EqualizeHistogram needs 8-bit images, but {results.get("img_path")} is '
                f'{image.dtype}: put it before the transforms that change the type'
            )
        channels = image.reshape(*image.shape[:2], -1)
        equal = [cv2.equalizeHist(channels[..., i]) for i in range(channels.shape[2])]
        results['img'] = np.stack(equal, axis=2).reshape(image.shape)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
