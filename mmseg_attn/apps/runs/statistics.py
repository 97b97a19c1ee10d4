"""Compute scores from areas, and summarize the scores of runs."""

import statistics
from collections.abc import Sequence

import numpy as np

MEASURES = ('IoU', 'Dice', 'Precision', 'Recall')


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
