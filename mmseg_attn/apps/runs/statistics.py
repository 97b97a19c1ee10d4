"""Compute scores from areas, and summarize and compare runs."""

import statistics
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MEASURES = ('IoU', 'Dice', 'Precision', 'Recall')

_LEVEL = 95  # of an interval, in percent
_RESAMPLES = 10_000
_CHUNK = 1_000  # resamples at once
_Images = Mapping[str, Sequence[Sequence[int]]]  # areas (3, C) by image


@dataclass(frozen=True)
class Comparison:
    """A difference between two models on the same images.

    Attributes:
        difference: Difference of their mIoU, or of the IoU of a class, in percentage points.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        p: p-value of the Wilcoxon signed-rank test.
        images: Number of images.
        measure: What is compared.
    """

    difference: float
    low: float
    high: float
    p: float
    images: int
    measure: str = 'mIoU'

    @property
    def shown(self) -> bool:
        """Whether the interval does not contain 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        interval = f'{_LEVEL} % interval {self.low:.1f} to {self.high:.1f}'
        text = f'{self.difference:+.1f} {self.measure} ({interval})'
        return text if self.shown else f'no difference shown: {text}'


def compare(
    ours: Sequence[_Images], theirs: Sequence[_Images], *, label: int | None = None
) -> Comparison | None:
    """Compare the runs of two models on the images that both were tested on.

    The difference is the mean over the test sets (one per fold) of the difference of mIoU. The mIoU
    of a model on a set follows from areas summed over the images, and is the mean over its runs,
    such as several seeds. The interval is from a bootstrap that resamples the images of each set,
    the same images for all runs. It does not cover the randomness of training.

    The Wilcoxon signed-rank test compares the scores of single images: the mean IoU over the
    classes that are labeled in an image, as the mean over the runs.

    Args:
        ours: The areas of each run of our model by image.
        theirs: Those of each run of the other model.
        label: The number of the class whose IoU is compared in place of the mIoU.

    Returns:
        The comparison; ``None`` if there is no common test set.
    """
    sets = [*_common_sets(ours, theirs)]
    if label is not None:
        sets = [(one[..., [label]], other[..., [label]]) for one, other in sets]
    if not sets:
        return None
    observed = [[_miou(areas.sum(axis=1)).mean() for areas in pair] for pair in sets]
    random = np.random.default_rng(0)  # sets are resampled independently
    resampled = np.mean([_bootstrap(*pair, random) for pair in sets], axis=0)
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    scores = [[_of_images(areas) for areas in pair] for pair in sets]
    differences = np.concatenate([one - other for one, other in scores])
    difference = float(np.mean([one - other for one, other in observed]))
    count = sum(pair[0].shape[1] for pair in sets)
    measure = 'mIoU' if label is None else 'IoU'
    return Comparison(difference, float(low), float(high), _wilcoxon(differences), count, measure)


def measures(areas: np.ndarray) -> dict[str, np.ndarray]:
    """Compute each of ``MEASURES`` of every class (..., C), in percent; nan if it is not defined.

    Args:
        areas: Areas (..., 3, C) of intersection, prediction and label, in pixels.
    """
    correct, predicted, labeled = np.moveaxis(np.asarray(areas, dtype=float), -2, 0)
    with np.errstate(invalid='ignore'):
        return dict(
            IoU=100 * correct / (labeled + predicted - correct),
            Dice=200 * correct / (labeled + predicted),
            Precision=100 * correct / predicted,
            Recall=100 * correct / labeled,
        )


def scores(areas: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Compute ``mIoU``, ``mAcc``, ``aAcc`` and per class ``IoU.cell`` and so on, in percent.

    The names and values are those of ``PerClassIoUMetric``, without rounding. Values that are not
    defined are omitted, also from the means.

    Args:
        areas: Areas (3, C) of intersection, prediction and label, in pixels.
        classes: Names of the classes.
    """
    of_classes = measures(areas)
    of_classes['Acc'] = of_classes['Recall']  # a name of MMSegmentation
    correct, _, labeled = np.asarray(areas)
    values = {f'm{name}': _mean(column) for name, column in of_classes.items()}
    values['aAcc'] = 100 * correct.sum() / labeled.sum() if labeled.sum() else np.nan
    for name, column in of_classes.items():
        values |= {f'{name}.{c}': value for c, value in zip(classes, column, strict=True)}
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def summarize(runs: Sequence[dict[str, float]]) -> dict[str, dict]:
    """Summarize the metrics of several runs.

    Args:
        runs: The metrics of each run, without those that are not defined.

    Returns:
        For each metric: ``mean`` and ``std`` (n - 1 in the denominator) over the runs that have it,
        ``None`` if there are too few runs, and ``folds``, the values.
    """
    summary = {}
    for key in dict.fromkeys(key for metrics in runs for key in metrics):
        values = [metrics.get(key) for metrics in runs]
        known = [value for value in values if value is not None]
        mean = statistics.mean(known) if known else None
        std = statistics.stdev(known) if len(known) > 1 else None
        summary[key] = dict(mean=mean, std=std, folds=values)
    return summary


def _mean(values: np.ndarray) -> float:
    """Return the mean of the defined values; nan if there is none."""
    defined = values[np.isfinite(values)]
    return defined.mean() if defined.size else np.nan


def _common_sets(
    ours: Sequence[_Images], theirs: Sequence[_Images]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the areas (runs, images, 3, C) of both models on each set of images."""
    by_set: dict[frozenset[str], tuple[list, list]] = {}
    for side, runs in enumerate((ours, theirs)):
        for run in runs:
            by_set.setdefault(frozenset(run), ([], []))[side].append(run)
    for images, sides in by_set.items():
        if images and all(sides):
            names = sorted(images)
            yield tuple(
                np.array([[run[name] for name in names] for run in side], dtype=float)
                for side in sides
            )


def _miou(areas: np.ndarray) -> np.ndarray:
    """Return the mean IoU (...) over the classes that occur, in percent.

    Args:
        areas: Areas (..., 3, C).
    """
    iou = measures(areas)['IoU']
    return np.nansum(iou, axis=-1) / np.maximum(np.isfinite(iou).sum(axis=-1), 1)


def _bootstrap(ours: np.ndarray, theirs: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the differences of mIoU (resamples) on resampled images.

    Args:
        ours: Areas (runs, images, 3, C).
        theirs: Areas (runs, images, 3, C) of the same images.
        random: The source of the resamples.
    """
    count, differences = ours.shape[1], []
    for _ in range(_RESAMPLES // _CHUNK):
        times = random.multinomial(count, [1 / count] * count, size=_CHUNK).astype(float)
        one, other = (
            _miou(np.einsum('ri,siac->rsac', times, areas, optimize=True)).mean(axis=1)
            for areas in (ours, theirs)
        )
        differences.append(one - other)
    return np.concatenate(differences)


def _of_images(areas: np.ndarray) -> np.ndarray:
    """Return the score of each image (images), the mean over the runs; nan without labels.

    Args:
        areas: Areas (runs, images, 3, C).
    """
    labeled = areas[0, :, 2] > 0  # (images, C)
    iou = np.where(labeled, measures(areas)['IoU'], 0.0)
    count = labeled.sum(axis=1)
    return np.where(count, iou.sum(axis=-1).mean(axis=0) / np.maximum(count, 1), np.nan)


def _wilcoxon(differences: np.ndarray) -> float:
    """Return the two-sided p-value of the signed-rank test; differences of 0 do not count."""
    from scipy.stats import wilcoxon  # which MMSegmentation requires

    differences = differences[np.isfinite(differences) & (differences != 0)]
    if not differences.size:
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of few images
        return float(wilcoxon(differences).pvalue)
