"""Measure how well confidences agree with accuracy: the expected calibration error."""

import torch
from torch import Tensor

BINS = 15


def calibration_bins(confidence: Tensor, correct: Tensor, bins: int = BINS) -> Tensor:
    """Sum pixels by their confidence.

    Bin b of B contains the confidences from b / B (excluded) to (b + 1) / B (included), and the
    first bin 0, too. Tables of several images can be added.

    Args:
        confidence: Probability of the predicted class of each pixel ``(N,)``, from 0 to 1.
        correct: Whether the prediction is right ``(N,)``.
        bins: Number of bins B.

    Returns:
        Per bin: number of pixels, number of right pixels, and sum of the confidences, ``(3, B)``,
        float64.
    """
    confidence = confidence.double()
    index = ((bins * confidence).ceil().long() - 1).clamp(0, bins - 1)
    weights = torch.ones_like(confidence), correct.double(), confidence
    return torch.stack([index.bincount(values, minlength=bins) for values in weights])


def reliability_tables(
    probabilities: Tensor, labels: Tensor, predicted: Tensor, bins: int = BINS
) -> Tensor:
    """Sum pixels by the probability of the predicted class, and by that of each class.

    Args:
        probabilities: Probabilities ``(C, N)``.
        labels: True classes ``(N,)``.
        predicted: Predicted classes ``(N,)``.
        bins: Number of bins B.

    Returns:
        The table of :func:`calibration_bins` for the predicted class, and then for each class, of
        which a pixel is right if it is its true class, ``(1 + C, 3, B)``.
    """
    confidence = probabilities.gather(0, predicted[None])[0]
    tables = [calibration_bins(confidence, predicted == labels, bins)]
    for number, p in enumerate(probabilities):
        tables.append(calibration_bins(p, labels == number, bins))
    return torch.stack(tables)


def expected_calibration_error(table: Tensor) -> float:
    """Compute the expected calibration error, from 0 (best) to 1.

    It is the mean of the distance of accuracy and confidence over the bins, weighted by their
    numbers of pixels n_b (Naeini et al., 2015; Guo et al., 2017)::

        ECE = sum_b n_b / N * |right_b / n_b - confidence_b / n_b|

    Args:
        table: Number of pixels, number of right pixels, and sum of the confidences, per bin
            ``(3, B)``, with at least one pixel.
    """
    pixels, correct, confidence = table
    return float((correct - confidence).abs().sum() / pixels.sum())
