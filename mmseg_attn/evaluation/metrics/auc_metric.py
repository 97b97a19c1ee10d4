"""Compute the areas under the ROC and the precision-recall curve of every class."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from .image_metric import means_over_classes
from .labeled import check_labeled
from .logits import stored_logits

LIMIT = 100.0  # log-odds of the outermost bins
CHUNK = 2**18  # pixels whose log-odds are in memory at once


@METRICS.register_module()
class AUCMetric(BaseMetric):
    """Compute ``AUROC.<class>`` and ``AUPRC.<class>`` from the probabilities, from 0 to 1.

    Each class is compared with all others, over all labeled pixels of all images. AUROC is the area
    under the curve of recall over the false positive rate. AUPRC is the average precision: the sum
    of the precisions at all thresholds, each weighted by its increase in recall. ``mAUROC`` and
    ``mAUPRC`` are the means over the classes. A class that labels no pixel, or all, is left out.

    The probabilities p are counted in bins of their log-odds, log(p / (1 - p)), from -100 to 100;
    the outermost bins contain what lies beyond. Trained networks give most pixels probabilities
    close to 0 or 1, which bins of equal width in p would not distinguish. The bins have equal width
    in the inverse hyperbolic sine of the log-odds, so they are finer around p = 1/2. Pixels of one
    bin count as equal, so AUROC is exact up to half the fraction of pairs of a positive and a
    negative pixel that share a bin. For AUPRC, they are mixed evenly, since equal pixels would make
    it too low.

    Memory does not depend on the size of the images: 8 bytes per bin, class and image.

    Args:
        bins: Number of bins.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of MMEngine's ``BaseMetric``.

    Raises:
        ValueError: If there are no bins.
    """

    default_prefix = ''  # no prefix; None would cause a warning of MMEngine

    def __init__(self, *, bins: int = 1000, ignore_index: int = 255, **kwargs: Any):
        super().__init__(**kwargs)
        if bins < 1:
            raise ValueError(f'bins must be at least 1, got {bins}')
        self.bins = bins
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image by class and bin.

        Args:
            data_batch: Not used.
            data_samples: Predictions with logits ``(C, H, W)``, and ground truth ``(1, H, W)``.

        Raises:
            DataError: If the model kept only labels, or logits and labels differ in size.
            ValueError: If a labeled pixel has no probabilities, because of a logit that is NaN or
                infinite.
        """
        for sample in data_samples:
            logits = stored_logits(self, sample).flatten(1)  # (C, H * W)
            label = sample['gt_sem_seg']['data'].flatten().to(logits.device)
            parts = zip(logits.split(CHUNK, dim=1), label.split(CHUNK), strict=True)
            name = sample.get('img_path', 'an image')
            self.results.append(sum(self._count(*part, name) for part in parts))

    def _count(self, logits: Tensor, label: Tensor, name: str) -> np.ndarray:
        """Count the pixels outside of each class and those of it by bin, ``(C, 2, bins)``."""
        valid = label != self.ignore_index
        logits, label, tables = logits[:, valid], label[valid], []
        for index, values in enumerate(log_odds(logits)):
            if values.isnan().any():
                raise ValueError(
                    f'AUCMetric cannot rank the pixels of {name}, since some logits are NaN or '
                    'infinite: test in float32, or correct the weights'
                )
            position = (1 + values.asinh() / math.asinh(LIMIT)) / 2  # from 0 to 1
            bin_index = (position * self.bins).long()
            bin_index = bin_index.clamp(0, self.bins - 1) + self.bins * (label == index)
            tables.append(bin_index.bincount(minlength=2 * self.bins).view(2, self.bins))
        return torch.stack(tables).to(torch.int32).cpu().numpy()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the areas of the classes and their means.

        Args:
            results: Numbers of pixels ``(C, 2, bins)`` per image.

        Returns:
            The means, then the values per class.

        Raises:
            ValueError: If no pixel is labeled.
        """
        total = sum(counts.astype(np.int64) for counts in results)
        check_labeled(self, results, int(total[0].sum()) if results else 0)
        meta: Any = self.dataset_meta
        values: dict[str, float] = {}
        for name, (negative, positive) in zip(meta['classes'], total, strict=True):
            if negative.any() and positive.any():
                values[f'AUROC.{name}'] = area_under_roc(negative, positive)
                values[f'AUPRC.{name}'] = average_precision(negative, positive)
        return means_over_classes(values) | values


def log_odds(stored: Tensor) -> Iterator[Tensor]:
    """Yield the log-odds of the probability of each class, without rounding logits to 0 or 1.

    Args:
        stored: What MMSegmentation stores as ``seg_logits``: logits ``(C, N)``, or the probability
            of class 1 ``(1, N)`` of a head with one output channel.

    Yields:
        Log-odds ``(N,)``, float64, within twice ``LIMIT``.
    """
    if len(stored) == 1:
        value = stored[0].double().logit().clamp(-2 * LIMIT, 2 * LIMIT)
        yield from (-value, value)
        return
    stored = stored.double()
    total, top = stored.logsumexp(dim=0), stored.argmax(dim=0)
    others = stored.scatter(0, top[None], -math.inf).logsumexp(dim=0)  # without the top class
    for index, logits in enumerate(stored):
        log_p = logits - total
        odds = torch.where(top == index, logits - others, log_p - torch.log(-torch.expm1(log_p)))
        yield odds.clamp(-2 * LIMIT, 2 * LIMIT)


def area_under_roc(negative: np.ndarray, positive: np.ndarray) -> float:
    """Compute the area under the ROC curve: the fraction of pairs in the right order.

    Args:
        negative: Number of negatives per bin, in rising order of the score.
        positive: Number of positives per bin.
    """
    below = np.cumsum(negative) - negative
    ordered = (positive * (below + negative / 2)).sum()  # pairs within a bin count half
    return float(ordered / (int(positive.sum()) * int(negative.sum())))


def average_precision(negative: np.ndarray, positive: np.ndarray) -> float:
    """Compute the average precision; the positives of a bin have the precision in its middle.

    With t positives among s pixels in the bins above, and p positives and n negatives in the bin,
    this is (t + (p + 1) / 2) / (s + (p + n + 1) / 2).

    Args:
        negative: Number of negatives per bin, in rising order of the score.
        positive: Number of positives per bin.
    """
    n, p = negative[::-1], positive[::-1]
    precision = (np.cumsum(p) - (p - 1) / 2) / (np.cumsum(p + n) - (p + n - 1) / 2)
    return float((precision * p).sum() / p.sum())
