"""Compare two models on the images that both were tested on."""

import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .statistics import measures

_LEVEL = 95  # of an interval, in percent
_FEWEST = 6  # cases; with fewer, no signed-rank test is below 5 percent
_RESAMPLES = 10_000
_CHUNK = 1_000  # resamples at once
_Images = Mapping[str, Sequence[Sequence[int]]]  # areas (3, C) by image


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A difference between two models on the same images.

    Attributes:
        difference: Difference of their mIoU, or of the IoU of a class, in percentage points.
        over_cases: Its 95 % interval from a bootstrap of the cases.
        p: p-value of the Wilcoxon signed-rank test.
        images: Number of images; one in two test sets counts twice.
        cases: Number of cases that they show.
        by_set: The differences on the single test sets, of which ``difference`` is the mean.
        by_run: On a single test set, the measure of each run of both models.
        measure: What is compared.
    """

    difference: float
    over_cases: tuple[float, float]
    p: float
    images: int
    cases: int
    by_set: tuple[float, ...]
    by_run: tuple[Sequence[float], ...] = ()
    measure: str = 'mIoU'

    @property
    def over_sets(self) -> tuple[float, float] | None:
        """Its 95 % t interval from the differences on the test sets; ``None`` of a single one."""
        count = len(self.by_set)
        if count < 2:
            return None
        half = _quantile(count - 1) * statistics.stdev(self.by_set) / math.sqrt(count)
        return self.difference - half, self.difference + half

    @property
    def over_runs(self) -> tuple[float, float] | None:
        """Its 95 % t interval from several runs, of equal variance, on a single test set."""
        freedom = sum(len(runs) - 1 for runs in self.by_run)
        if not freedom:
            return None
        squares = sum(sum((x - statistics.mean(runs)) ** 2 for x in runs) for runs in self.by_run)
        variance = squares / freedom * sum(1 / len(runs) for runs in self.by_run)
        half = _quantile(freedom) * math.sqrt(variance)
        return self.difference - half, self.difference + half

    @property
    def shown(self) -> bool:
        """Whether there are enough cases, and no interval contains 0 as it is printed."""
        intervals = filter(None, (self.over_cases, self.over_sets, self.over_runs))
        apart = all(round(low, 1) > 0 or round(high, 1) < 0 for low, high in intervals)
        return self.cases >= _FEWEST and apart

    def list_sets(self, names: Sequence[object] = ()) -> str:
        """Format ``by_set``, with the names of the sets if there are as many."""
        texts = [_signed(difference) for difference in self.by_set]
        if len(names) == len(texts):  # not if a fold had other images in one of the models
            texts = [f'{name}: {text}' for name, text in zip(names, texts, strict=True)]
        return ', '.join(texts)

    def __str__(self) -> str:
        interval = f'{_LEVEL} % interval {_range(self.over_cases)}'
        if self.cases < _FEWEST:
            interval = f'no interval of fewer than {_FEWEST} cases'
        elif self.over_sets:
            interval += f' over cases, {_range(self.over_sets)} over folds'
        elif self.over_runs:
            interval += f' over cases, {_range(self.over_runs)} over runs'
        text = f'{_signed(self.difference)} {self.measure} ({interval})'
        return text if self.shown else f'no difference shown: {text}'


def compare(
    ours: Sequence[_Images],
    theirs: Sequence[_Images],
    *,
    label: int | None = None,
    case: Callable[[str], str] = str,
) -> Comparison | None:
    """Compare the runs of two models on the sets of images that both were tested on.

    The difference is the mean over the test sets (one per fold) of the difference of mIoU. The mIoU
    of a model on a set follows from areas summed over the images, over the classes that it predicts
    or that are labeled, and is the mean over its runs, such as several seeds. A set in which a
    model has no mIoU does not count.

    Images of one case (a patient, a stack) are not independent, so the cases are what is drawn: a
    bootstrap resamples the cases of all sets, the same for all runs. The bounds are percentiles
    that are moved apart for few cases (the expanded percentile interval of Hesterberg, The American
    Statistician 69(4), 2015). This interval does not cover the randomness of training; the one over
    the test sets, whose models were trained anew, or over several runs on a single set does.

    The Wilcoxon signed-rank test compares the scores of the cases. The score of a case is the mean
    over its images, and that of an image the mean IoU over the classes that are labeled in it, as
    the mean over the runs.

    Args:
        ours: The areas of each run of our model by image.
        theirs: Those of each run of the other model.
        label: The number of the class whose IoU is compared in place of the mIoU.
        case: Returns the case of an image by its name; by default, each image is its own case.

    Returns:
        The comparison; ``None`` if there is no common test set.
    """
    numbers: dict[str, int] = {}  # of the cases
    sets = [*_common_sets(ours, theirs, label, lambda x: numbers.setdefault(case(x), len(numbers)))]
    if not sets:
        return None
    runs = [[_miou_of_runs(areas) for areas in (one.ours, one.theirs)] for one in sets]
    by_set = [float(ours.mean() - theirs.mean()) for ours, theirs in runs]
    tail = _tail(len(numbers))
    low, high = np.nanpercentile(_bootstrap(sets, len(numbers)), [tail, 100 - tail])
    return Comparison(
        difference=statistics.mean(by_set),
        over_cases=(float(low), float(high)),
        p=_wilcoxon(_of_cases(sets, len(numbers))),
        images=sum(len(one.cases) for one in sets),
        cases=len(numbers),
        by_set=tuple(by_set),
        by_run=tuple(side.tolist() for side in runs[0]) if len(sets) == 1 else (),
        measure='mIoU' if label is None else 'IoU',
    )


def _signed(difference: float) -> str:
    """Format a difference without -0.0."""
    return f'{round(difference, 1) + 0:+.1f}'


def _range(bounds: tuple[float, float]) -> str:
    """Format an interval without -0.0."""
    return ' to '.join(f'{round(bound, 1) + 0:.1f}' for bound in bounds)


def _quantile(freedom: int) -> float:
    """Return the quantile of Student's distribution of an interval, by its degrees of freedom."""
    from scipy.stats import t  # which MMSegmentation requires

    return float(t.ppf((1 + _LEVEL / 100) / 2, freedom))


def _tail(count: int) -> float:
    """Return the percentile of the lower bound of an expanded percentile interval."""
    from scipy.stats import norm

    if count == 1:
        return 0
    return float(100 * norm.cdf(-_quantile(count - 1) * math.sqrt(count / (count - 1))))


class _Set(NamedTuple):
    """Images that both models were tested on.

    Attributes:
        cases: The numbers of their cases (images).
        ours: Areas (runs, images, 3, C).
        theirs: Areas (runs, images, 3, C).
    """

    cases: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray


def _common_sets(
    ours: Sequence[_Images],
    theirs: Sequence[_Images],
    label: int | None,
    number: Callable[[str], int],
) -> Iterator[_Set]:
    """Yield the sets of images that both models were tested on and have a mIoU of."""
    by_set: dict[frozenset[str], tuple[list, list]] = {}
    for side, runs in enumerate((ours, theirs)):
        for run in runs:
            by_set.setdefault(frozenset(run), ([], []))[side].append(run)
    classes = slice(None) if label is None else [label]
    for images, sides in by_set.items():
        if images and all(sides):
            names = sorted(images)
            areas = [
                np.array([[run[name] for name in names] for run in side], float)[..., classes]
                for side in sides
            ]
            if all(np.isfinite(_miou_of_runs(values)).all() for values in areas):
                yield _Set(np.array([number(name) for name in names]), *areas)


def _miou_of_runs(areas: np.ndarray) -> np.ndarray:
    """Return the mIoU of all images (runs); nan if a run has none.

    Args:
        areas: Areas (runs, images, 3, C).
    """
    return _miou(areas.sum(axis=1))


def _miou(areas: np.ndarray) -> np.ndarray:
    """Return the mean IoU (...) over the classes that occur, in percent; nan without classes.

    Args:
        areas: Areas (..., 3, C).
    """
    iou = measures(areas)['IoU']
    with np.errstate(invalid='ignore'):
        return np.nansum(iou, axis=-1) / np.isfinite(iou).sum(axis=-1)


def _difference(images: _Set, times: np.ndarray) -> np.ndarray:
    """Return the differences of mIoU (resamples); nan where a model has none.

    Args:
        images: The images.
        times: How many times each of them counts (resamples, images).
    """
    one, other = (
        _miou(np.einsum('ri,siac->rsac', times, areas, optimize=True)).mean(axis=1)
        for areas in (images.ours, images.theirs)
    )
    return one - other


def _bootstrap(sets: Sequence[_Set], count: int) -> np.ndarray:
    """Return the mean differences of mIoU (resamples) over the sets, on resampled cases."""
    random, differences = np.random.default_rng(0), []
    for _ in range(_RESAMPLES // _CHUNK):
        times = random.multinomial(count, [1 / count] * count, size=_CHUNK).astype(float)
        by_set = [_difference(images, times[:, images.cases]) for images in sets]
        known = np.isfinite(by_set)
        with np.errstate(invalid='ignore'):
            differences.append(np.where(known, by_set, 0).sum(axis=0) / known.sum(axis=0))
    return np.concatenate(differences)


def _of_cases(sets: Sequence[_Set], count: int) -> np.ndarray:
    """Return the difference of the scores of each case (cases), without those without labels."""
    of_images = [_of_images(one.ours) - _of_images(one.theirs) for one in sets]
    differences, cases = np.concatenate(of_images), np.concatenate([one.cases for one in sets])
    known = np.isfinite(differences)
    sums = np.bincount(cases[known], differences[known], count)
    images = np.bincount(cases[known], minlength=count)
    return sums[images > 0] / images[images > 0]


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

    differences = differences[differences != 0]
    if not differences.size:
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of few images
        return float(wilcoxon(differences).pvalue)
