"""Scores from a confusion matrix, and which images stand for a set."""

from collections.abc import Mapping, Sequence

import numpy as np

MEASURES = ('IoU', 'Dice', 'Precision', 'Recall')


def classwise(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of every class, percent; nan where a measure is not defined.

    Args:
        counts: (C, C), pixels with a row per true class.

    Returns:
        Each of ``MEASURES``, (C,).
    """
    right, true, found = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    parts = (right, true + found - right), (2 * right, true + found), (right, found), (right, true)
    with np.errstate(invalid='ignore'):
        values = [100 * part / whole for part, whole in parts]
    return dict(zip(MEASURES, values, strict=True))


def metrics(counts: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """The same, by names such as ``IoU.cell``, with ``mIoU``, ``mAcc`` and ``aAcc``.

    Measures that are not defined are left out, and count in no mean, as in MMSegmentation.

    Args:
        counts: (C, C), pixels with a row per true class.
        classes: Names of the classes.
    """
    values = classwise(counts)
    pixels = counts.sum()
    found = dict(mIoU=_mean(values['IoU']), mAcc=_mean(values['Recall']))
    found['aAcc'] = 100 * np.trace(counts) / pixels if pixels else np.nan
    for measure, of_classes in values.items():
        found |= {f'{measure}.{n}': v for n, v in zip(classes, of_classes, strict=True)}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _mean(values: np.ndarray) -> float:
    defined = values[np.isfinite(values)]
    return defined.mean() if defined.size else np.nan


def choose(scores: Mapping[str, float], number: int) -> dict[str, list[str]]:
    """Choose the best, the median and the worst, each image once.

    Args:
        scores: Of every image; those of nan are no candidates.
        number: How many of each kind, as far as there are as many.

    Returns:
        Names by kind, the best first; the median of an even number is the lower one.
    """
    order = sorted(
        (name for name in scores if np.isfinite(scores[name])), key=lambda n: (-scores[n], n)
    )
    best = order[:number]
    worst = order[max(len(best), len(order) - number) :]
    between = order[len(best) : len(order) - len(worst)]
    begin = max(0, -(-(len(between) - number) // 2))
    median = between[begin : begin + number]
    return dict(best=best, median=median, worst=worst)


def confusions(
    counts: np.ndarray, classes: Sequence[str], number: int
) -> list[tuple[str, str, float]]:
    """The pairs of classes that are taken for each other the most.

    Args:
        counts: (C, C), pixels with a row per true class.
        classes: Names of the classes.
        number: How many pairs at the most.

    Returns:
        True class, predicted class, and percent of the true class's pixels; none below one.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * counts / np.maximum(totals, 1)
    pairs = [
        (classes[i], classes[j], float(share))
        for (i, j), share in np.ndenumerate(shares)
        if i != j and share >= 1
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:number]
