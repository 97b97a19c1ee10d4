"""Compute confusion matrices."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from ..config_types import is_a
from ..datasets.nested_datasets import nested_datasets
from ..datasets.rules import IGNORE
from ..errors import DataError
from ..io import decode_image, read_manifest
from .seg_evaluator import with_arguments


def metric_configs(evaluator: Any) -> Sequence[Mapping]:
    """Return the metrics in the config of an evaluator: a metric, a list, or an ``Evaluator``.

    They have the arguments that ``SegEvaluator`` gives to one of them.
    """
    if not isinstance(evaluator, Mapping) or not evaluator:
        return evaluator or []
    if 'metrics' not in evaluator:
        return [evaluator]
    metrics = evaluator['metrics']
    arguments = {key: evaluator[key] for key in evaluator if key not in ('type', 'metrics')}
    return with_arguments([metrics] if isinstance(metrics, Mapping) else metrics, arguments)


def ignored_by(evaluator: Any) -> int:
    """Return the label that the first ``IoUMetric`` in the config of an evaluator ignores.

    Without one, it is that of the first metric that names one; 255 by default.
    """
    metrics = metric_configs(evaluator)
    kinds = [metric for metric in metrics if is_a(metric, METRICS, IoUMetric)]
    values = [metric['ignore_index'] for metric in kinds[:1] or metrics if 'ignore_index' in metric]
    return values[0] if values else IGNORE


def confusion(
    truth: np.ndarray, labels: np.ndarray, classes: int, *, ignored: int = IGNORE
) -> np.ndarray:
    """Count the pixels of every pair of true and predicted class.

    Args:
        truth: Ground truth of any shape; labels that are not a class do not count.
        labels: Predicted labels, 0 to ``classes - 1``, of the same shape.
        classes: Number of classes C.
        ignored: Label of the ignored pixels, which may be a class.

    Returns:
        Confusion matrix ``(C, C)``, int64, with a row per true class.
    """
    valid = (truth < classes) & (truth != ignored)
    pairs = truth[valid].astype(np.int64) * classes + labels[valid]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def confusion_of_masks(
    dataset: Any,
    folder: Path,
    *,
    ignored: int = IGNORE,
    watch: Callable[[Iterable[int]], Iterator[int]] = iter,
) -> np.ndarray:
    """Compare masks from ``tools/test.py --out`` or ``tools/predict.py`` with the ground truth.

    Args:
        dataset: A dataset whose pipeline loads the ground truth.
        folder: The folder of the masks, a PNG for every image.
        ignored: Label of the ignored pixels.
        watch: Function that iterates over the indices and may show the progress.

    Returns:
        Confusion matrix ``(C, C)``, int64, with a row per true class.

    Raises:
        DataError: If a mask is missing, has another size, or contains labels that are not a class,
            if two images have the same mask, or if ``tools/predict.py`` predicted other images.
    """
    classes = len(dataset.metainfo['classes'])
    names = _names_of_predict(folder)
    *_, leaf = nested_datasets(dataset)
    # IoUMetric adds it when it writes, and predict.py does not
    offset = bool(leaf.reduce_zero_label) and names is None
    total = np.zeros((classes, classes), dtype=np.int64)
    images: dict[Path, Path] = {}
    for i in watch(range(len(dataset))):
        sample = dataset[i]['data_samples']
        path = Path(sample.img_path)
        truth = sample.gt_sem_seg.data.squeeze().numpy()
        mask = folder / f'{_name(path, names)}.png'
        if images.setdefault(mask, path) != path:
            raise DataError(
                f'{images[mask]} and {path} have the same name, so {mask} may belong to either: '
                'write the masks with tools/predict.py'
            )
        if not mask.is_file():
            raise DataError(
                f'{mask}, the prediction for {sample.img_path}, is missing: write it with '
                'python tools/test.py CONFIG CHECKPOINT --out DIR'
            )
        labels = decode_image(mask.read_bytes(), name=mask)[0].astype(np.int64) - offset
        if labels.shape != truth.shape or not 0 <= labels.min() <= labels.max() < classes:
            raise DataError(
                f'{mask} has the shape {labels.shape} and labels from {labels.min()} to '
                f'{labels.max()}, but the ground truth has the shape {truth.shape} and labels '
                f'from 0 to {classes - 1}: use predictions that were made with this config'
            )
        total += confusion(truth, labels, classes, ignored=ignored)
    return total


def _name(path: Path, names: Mapping[tuple[str, ...], str] | None) -> str:
    """Return the name of the mask of an image.

    Args:
        path: The image.
        names: As ``_names_of_predict`` returns them.
    """
    if names is None:
        return path.stem
    for same in (path.resolve(), path.absolute()):
        for start in range(len(same.parts)):
            if (parts := same.parts[start:]) in names:
                return names[parts]
    raise DataError(
        f'{path} is not among the images that tools/predict.py predicted, such as '
        f'{Path(*next(iter(names), ()))}: predict the images of the test split, or write their '
        'masks with tools/test.py --out'
    )


def _names_of_predict(folder: Path) -> dict[tuple[str, ...], str] | None:
    """Return the names of results if ``tools/predict.py`` wrote the folder.

    The keys are the parts of the paths as they were given, possibly relative to another folder, and
    those of the absolute paths in this folder.
    """
    manifest = read_manifest(folder.resolve().parent)
    try:
        if manifest['converter'] != 'predict':
            return None
        names = {Path(path): result['name'] for path, result in manifest['inputs'].items()}
    except (KeyError, TypeError, AttributeError):
        return None
    given = {
        tuple(part for part in path.parts if part != '..'): name for path, name in names.items()
    }
    return given | {path.resolve().parts: name for path, name in names.items()}
