"""Compare what is in an exported file with the model that it was made of."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ..datasets.conversion import ConversionError
from .program import PixelsToLogits

SIZES = ((2, 64, 96), (1, 75, 101))  # batch, height, width
TOLERANCE = 1e-4  # of the largest logit, or of 1
TIMES = 10  # as much as the model's own rounding is accepted, too

Run = Callable[[np.ndarray], np.ndarray]


class Check(NamedTuple):
    """What the comparison found.

    Attributes:
        difference: largest difference between a logit of the file and one of the model.
        rounding: the same between the model and itself in double precision, on the last image.
        largest: largest absolute logit.
        labels: number of pixels whose label differs.
        pixels: number of pixels.
    """

    difference: float
    rounding: float
    largest: float
    labels: int
    pixels: int


def compare(module: PixelsToLogits, run: Run) -> Check:
    """Compare on noise of two sizes, one of them odd.

    Args:
        module: the segmentor.
        run: what the file computes of pixels.

    Raises:
        ConversionError: if the logits differ by more than rounding.
    """
    generator = np.random.default_rng(0)
    images, logits, expected = [], [], []
    with torch.no_grad():
        for batch, height, width in SIZES:
            shape = batch, module.in_channels, height, width
            images.append(generator.uniform(0, 255, shape).astype(np.float32))
            logits.append(run(images[-1]))
            expected.append(module(torch.from_numpy(images[-1])).numpy())
        exact = copy.deepcopy(module).double()(torch.from_numpy(images[-1]).double()).numpy()
    found = Check(
        difference=float(np.max([abs(a - b).max() for a, b in zip(logits, expected, strict=True)])),
        rounding=float(abs(expected[-1] - exact).max()),
        largest=max(float(abs(x).max()) for x in expected),
        labels=sum(
            int((_labels(a, module) != _labels(b, module)).sum())
            for a, b in zip(logits, expected, strict=True)
        ),
        pixels=sum(batch * height * width for batch, height, width in SIZES),
    )
    # NaN is too large, too
    if not found.difference <= max(TOLERANCE * max(1, found.largest), TIMES * found.rounding):
        raise ConversionError(
            f'the exported model computes something else: a logit differs by '
            f'{found.difference:.2g}, where the largest is {found.largest:.2g}; try another '
            'version of PyTorch'
        )
    return found


def _labels(logits: np.ndarray, module: PixelsToLogits) -> np.ndarray:
    """Return the label of every pixel: ``(N, C, H, W)`` to ``(N, H, W)``."""
    if logits.shape[1] > 1:
        return logits.argmax(axis=1)
    return 1 / (1 + np.exp(-logits[:, 0])) > module.head.threshold
