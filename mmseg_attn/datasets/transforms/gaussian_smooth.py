"""Suppress noise with a Gaussian filter."""

import cv2
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GaussianSmooth(BaseTransform):
    """Smooth every image in the same way, in training and in testing.

    Changed key: ``img``. The border is mirrored. MMSegmentation's ``BioMedicalGaussianBlur`` is a
    random augmentation of volumes.

    Args:
        sigma: Standard deviation in pixels.
        kernel_size: Pixels per side of the kernel, odd.
    """

    def __init__(self, *, sigma: float = 0.8, kernel_size: int = 3) -> None:
        if sigma <= 0 or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f'sigma is {sigma} and kernel_size {kernel_size}: '
                'choose a positive sigma and an odd kernel_size'
            )
        self.sigma = sigma
        self.kernel_size = kernel_size

    def transform(self, results: dict) -> dict:
        """Smooth the image.

        Args:
            results: ``img`` is ``(H, W)`` or ``(H, W, C)``.

        Returns:
            The same dictionary. The type and shape of the image do not change.
        """
        image = results['img']
        size = (self.kernel_size, self.kernel_size)
        smooth = cv2.GaussianBlur(image, size, self.sigma, borderType=cv2.BORDER_REFLECT_101)
        results['img'] = smooth.reshape(image.shape)  # OpenCV drops a single channel
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(sigma={self.sigma}, kernel_size={self.kernel_size})'
