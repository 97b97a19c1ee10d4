"""Compare what is in an exported file with the model that it was made of."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ...errors import ExportError
from ...models.label_rule import LabelRule
from .program import PixelsToLogits

SIZES = ((2, 31, 63), (1, 42, 68))  # batch; height and width beyond the smallest side
TOLERANCE = 1e-4  # of the largest logit, or of 1
TIMES = 10  # as much as the model's own rounding is accepted, too
OUTLIERS = 0.005  # of the pixels; a wrong row or column at a border is more

Run = Callable[[np.ndarray], np.ndarray]


class Check(NamedTuple):
    """What the comparison found.

    Attributes:
        difference: largest difference between a logit of the file and one of the model.
        rounding: the same between the model and itself in double precision, on the last image.
        largest: largest absolute logit.
        outliers: number of pixels that differ by more than rounding. Decoders that unpool have a
            few: where two values of a pool are equal but for rounding, either is the maximum.
        labels: number of pixels whose label differs.
        pixels: number of pixels.
    """

    difference: float
    rounding: float
    largest: float
    outliers: int
    labels: int
    pixels: int


def compare(module: PixelsToLogits, run: Run) -> Check:
    """Compare on noise of two sizes, one of them odd.

    Args:
        module: the segmentor.
        run: what the file computes of pixels.

    Raises:
        ExportError: if the logits differ by more than rounding.
    """
    rule = LabelRule.of(module.model)
    generator = np.random.default_rng(0)
    differences, labels, largest = [], 0, 0.0
    with torch.no_grad():
        for batch, *beyond in SIZES:
            shape = batch, module.in_channels, *(module.smallest + more for more in beyond)
            image = generator.uniform(0, 255, shape).astype(np.float32)
            expected, logits = module(torch.from_numpy(image)).numpy(), run(image)
            differences.append(abs(logits - expected).max(axis=1).ravel())
            found, right = (rule.labels(torch.from_numpy(each)) for each in (logits, expected))
            labels += int((found != right).sum())
            largest = max(largest, float(abs(expected).max()))
        exact = copy.deepcopy(module).double()(torch.from_numpy(image).double()).numpy()
    difference, rounding = np.concatenate(differences), float(abs(expected - exact).max())
    near = difference <= max(TOLERANCE * max(1, largest), TIMES * rounding)  # NaN is not
    found = Check(
        float(difference.max()), rounding, largest, int((~near).sum()), labels, difference.size
    )
    if found.outliers > OUTLIERS * found.pixels:
        raise ExportError(
            f'the exported model computes something else: the logits of {found.outliers} of '
            f'{found.pixels} pixels differ by up to {found.difference:.2g}, where the largest is '
            f'{largest:.2g}; try another version of PyTorch'
        )
    return found
