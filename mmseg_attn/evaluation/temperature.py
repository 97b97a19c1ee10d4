"""Fit the temperature of a network's logits: one number that calibrates its probabilities.

Source: Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599). With the logits z
of a pixel and its true class y, the temperature T > 0 minimizes the mean of

    NLL(T) = log(sum_c exp(z_c / T)) - z_y / T

As a function of 1 / T, it is convex, so that Newton's method within a bracket finds the only
minimum. All pixels are needed in each step, so a uniform sample of them is kept in memory: the
network runs once over the images, whatever their number.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..errors import DataError
from .calibration import calibration_bins, expected_calibration_error

VALUES = 2**24  # logits in a sample: 64 MiB
CHUNK = 2**20  # logits that are computed with in double precision at once
STEPS = 200
TOLERANCE = 1e-9  # of 1 / T


class PixelSample:
    """Draw pixels from all images, each with the same probability, without replacement.

    Each pixel has a random number, and those with the smallest numbers are kept. The sample is the
    same for any batch size, and has all pixels if they fit.

    Args:
        size: The largest number of pixels.
        seed: Seed of the random numbers.
    """

    def __init__(self, size: int, *, seed: int = 0) -> None:
        self.size = size
        self.seen = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._columns: tuple[Tensor, ...] = ()

    def add(self, logits: Tensor, labels: Tensor, predicted: Tensor) -> None:
        """Add the pixels of an image.

        Args:
            logits: Logits ``(N, C)``.
            labels: True classes ``(N,)``.
            predicted: Predicted classes ``(N,)``.
        """
        self.seen += len(labels)
        keys = torch.rand(len(labels), generator=self._generator, dtype=torch.float64)
        if len(self) == self.size:  # most pixels are above all that are kept
            near = keys < self._columns[0].max()
            keys, logits, labels, predicted = (x[near] for x in (keys, logits, labels, predicted))
        columns: tuple[Tensor, ...] = (keys, logits, labels, predicted)
        if self._columns:
            columns = tuple(map(torch.cat, zip(self._columns, columns, strict=True)))
        if len(columns[0]) > self.size:
            kept = columns[0].topk(self.size, largest=False).indices
            columns = tuple(column[kept] for column in columns)
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0]) if self._columns else 0

    @property
    def logits(self) -> Tensor:
        """The logits ``(N, C)``."""
        return self._columns[1]

    @property
    def labels(self) -> Tensor:
        """The true classes ``(N,)``."""
        return self._columns[2]

    @property
    def predicted(self) -> Tensor:
        """The predicted classes ``(N,)``."""
        return self._columns[3]


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature with the smallest negative log likelihood.

    Args:
        logits: Finite logits ``(N, C)`` of at least one pixel.
        labels: True classes ``(N,)``.

    Raises:
        DataError: If there is no such temperature: the likelihood grows up to T = 0 if no pixel is
            wrong, and up to infinity if the logits tell less than chance.
    """
    if float(sum((z.amax(1) - of(z, y)).sum() for z, y in _chunks(logits, labels))) == 0:
        raise DataError(
            f'all {len(labels)} labeled pixels are predicted right, so that any smaller '
            'temperature would be better: use a split with more images'
        )
    if _slope(logits, labels, 0.0)[0] >= 0:
        raise DataError(
            'the logits of the true classes are not above the mean of all classes, so that no '
            'temperature calibrates the model: train it longer'
        )
    low, high, inverse = 0.0, math.inf, 1.0
    for _ in range(STEPS):
        slope, curvature = _slope(logits, labels, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else math.inf
        limit = min(high, 4 * inverse)
        if not low < step < limit:  # Newton's step leaves the bracket: halve it, or widen it
            step = limit if limit < high else (low + high) / 2
        if abs(step - inverse) <= TOLERANCE * inverse:
            break
        inverse = step
    return 1 / inverse


def negative_log_likelihood(logits: Tensor, labels: Tensor, temperature: float = 1) -> float:
    """Compute the mean of the negative log likelihood per pixel, in nats.

    Args:
        logits: Logits ``(N, C)`` of at least one pixel.
        labels: True classes ``(N,)``.
        temperature: The temperature T.
    """
    total = sum(-of((z / temperature).log_softmax(1), y).sum() for z, y in _chunks(logits, labels))
    return float(total) / len(labels)


def calibration_error(
    logits: Tensor, labels: Tensor, predicted: Tensor, temperature: float = 1
) -> float:
    """Compute the expected calibration error of the probabilities with a temperature.

    Args:
        logits: Logits ``(N, C)`` of at least one pixel.
        labels: True classes ``(N,)``.
        predicted: Predicted classes ``(N,)``.
        temperature: The temperature T.
    """
    tables = [
        calibration_bins(of((z / temperature).softmax(1), label), label == y)
        for z, y, label in _chunks(logits, labels, predicted)
    ]
    return expected_calibration_error(torch.stack(tables).sum(0))


def of(values: Tensor, classes: Tensor) -> Tensor:
    """Return the value of one class of each pixel: of ``(N, C)``, ``(N,)``."""
    return values.gather(1, classes[:, None])[:, 0]


def _slope(logits: Tensor, labels: Tensor, inverse: float) -> tuple[float, float]:
    """Return the first and the second derivative of the likelihood with respect to 1 / T."""
    first = second = 0.0
    for z, y in _chunks(logits, labels):
        p = (inverse * z).softmax(1)
        distance = z - of(z, y)[:, None]
        mean = (p * distance).sum(1)
        first += float(mean.sum())
        second += float((p * (distance - mean[:, None]) ** 2).sum())
    return first / len(labels), second / len(labels)


def _chunks(logits: Tensor, *columns: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield a few pixels at a time, their logits in double precision."""
    rows = max(1, CHUNK // logits.shape[1])
    for part, *others in zip(logits.split(rows), *(x.split(rows) for x in columns), strict=True):
        yield (part.double(), *others)
