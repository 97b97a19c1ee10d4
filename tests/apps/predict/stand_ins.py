"""Stand-ins for a model: predictions by a rule of the pixels."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from mmcv.transforms import LoadImageFromFile

from mmseg_attn.apps.predict import ConfigLoader, Prediction


class Rule:
    """A predictor that calls a function with each image.

    Args:
        rule: Returns the prediction of an image, or its error.
        channels: Number of channels that it takes.
        **loader: Settings of its loader; by default, gray images.
    """

    def __init__(
        self,
        rule: Callable[[np.ndarray], Prediction | Exception],
        *,
        channels: int = 1,
        **loader: str,
    ) -> None:
        self.rule = rule
        self.channels = channels
        self.loader = ConfigLoader(LoadImageFromFile(**(loader or dict(color_type='grayscale'))))
        self.windows = SimpleNamespace(watch=None)

    def predict(self, images, **_):
        for key, image in images:
            yield key, self.rule(image)
