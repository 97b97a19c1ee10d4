"""Compare an exported file with its model."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ...errors import ExportError
from ...models.label_rule import LabelRule
from .program import PixelsToLogits

SIZES = ((2, 31, 63), (1, 42, 68))  # batch; height and width beyond the smallest side
TOLERANCE = 1e-4  # fraction of the largest logit, or of 1 if that is larger
TIMES = 10  # a difference of so many rounding errors of the model is accepted, too
OUTLIERS = 0.005  # fraction of the pixels; a wrong row or column at a border has more

Run = Callable[[np.ndarray], np.ndarray]


class Check(NamedTuple):
    """The result of the comparison.

    Attributes:
        difference: Largest difference between a logit of the file and one of the model.
        rounding: Largest difference between the logits of the model in single and in double
            precision, on the last image.
        largest: Largest absolute logit.
        outliers: Number of pixels that differ by more than rounding. Decoders that unpool have a
            few: if two values in a pool differ only by rounding, either may be the maximum.
        labels: Number of pixels whose label differs.
        pixels: Number of pixels.
    """

    difference: float
    rounding: float
    largest: float
    outliers: int
    labels: int
    pixels: int


def compare(module: PixelsToLogits, run: Run) -> Check:
    """Compare the logits for noise images of two sizes, one of them odd.

    Args:
        module: The segmentor.
        run: A function that computes the logits with the file.

    Raises:
        ExportError: If the logits differ by more than rounding.
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
            exported, correct = (rule.labels(torch.from_numpy(x)) for x in (logits, expected))
            labels += int((exported != correct).sum())
            largest = max(largest, float(abs(expected).max()))
        exact = copy.deepcopy(module).double()(torch.from_numpy(image).double()).numpy()
    difference, rounding = np.concatenate(differences), float(abs(expected - exact).max())
    near = difference <= max(TOLERANCE * max(1, largest), TIMES * rounding)  # false for NaN
    check = Check(
        float(difference.max()), rounding, largest, int((~near).sum()), labels, difference.size
    )
    if check.outliers > OUTLIERS * check.pixels:
        raise ExportError(
            f'the exported model differs from the model: the logits of {check.outliers} of '
            f'{check.pixels} pixels differ by up to {check.difference:.2g} (largest logit: '
            f'{largest:.2g}): try another version of PyTorch'
        )
    return check
