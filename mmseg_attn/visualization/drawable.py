"""Convert any image to one that can be drawn."""

from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile

from ..datasets.nested_datasets import nested_datasets
from ..io.intensities import to_bytes


def drawable(image: np.ndarray, *, bgr: bool = False) -> np.ndarray:
    """Convert an image to 8 bits and three channels.

    Of three or more channels the first three are drawn as red, green and blue; of fewer, the first
    one is drawn in gray. The range of values with more than 8 bits is scaled to 0 to 255.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, of any type.
        bgr: Whether the first three channels are blue, green and red.

    Returns:
        ``(H, W, 3)``, uint8, in RGB, contiguous as OpenCV needs it to draw on it.
    """
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[2] >= 3:
        image = image[..., [2, 1, 0] if bgr else [0, 1, 2]]
    else:
        image = image[..., [0, 0, 0]]
    image = np.ascontiguousarray(image)
    if image.dtype == np.uint8:
        return image
    return to_bytes(image, (float(image.min()), float(image.max())))


def loads_bgr(dataset: Any) -> bool:
    """Tell whether a dataset loads colors as BGR; all decoders except ``tifffile`` do."""
    transforms = [
        transform
        for leaf in nested_datasets(dataset)
        for transform in getattr(getattr(leaf, 'pipeline', None), 'transforms', ())
    ]
    loaders = [transform for transform in transforms if isinstance(transform, LoadImageFromFile)]
    return all(loader.imdecode_backend != 'tifffile' for loader in loaders)
