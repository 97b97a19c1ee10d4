"""Find the scores of runs: predict their sets, or read the metrics that were recorded."""

import copy
import math
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ...config_types import type_name
from ...datasets.nested_datasets import nested_datasets
from ...errors import DataError
from ...evaluation.calibration import reliability_tables
from ...evaluation.confusion import confusion, ignored_by
from ...models.label_rule import stored_probabilities
from ...models.temperature import uncalibrated_probabilities
from ..predict import Predictor, data_errors, read_temperature, split_loader, truth_and_labels
from ..runs import PER_CLASS, Group, Run
from ..runs.statistics import measures, scores


@dataclass
class Prediction:
    """The prediction of one image.

    Attributes:
        path: The file of the image.
        index: Its index in the dataset.
        counts: Confusion matrix (C, C): pixels, with a row per true class.
        labels: The predicted labels (H, W), uint8 or uint16, compressed.
        shape: Height and width.
    """

    path: str
    index: int
    counts: np.ndarray
    labels: bytes
    shape: tuple[int, int]

    @property
    def areas(self) -> np.ndarray:
        """Areas (3, C) of intersection, prediction and label."""
        return areas_of(self.counts)

    @property
    def score(self) -> float:
        """The mean IoU over the classes of the ground truth, in percent; nan if it has none."""
        present = self.counts.sum(axis=1) > 0
        return float(measures(self.areas)['IoU'][present].mean()) if present.any() else np.nan

    @property
    def wrong(self) -> float:
        """The wrong pixels, in percent of the labeled pixels."""
        return 100 - 100 * np.trace(self.counts) / max(self.counts.sum(), 1)

    def unpacked(self) -> np.ndarray:
        """Return the predicted labels (H, W)."""
        content = zlib.decompress(self.labels)
        kind = np.uint8 if len(content) == math.prod(self.shape) else np.uint16
        return np.frombuffer(content, kind).reshape(self.shape)


@dataclass
class Evaluation:
    """The predictions of a validation or test set.

    Attributes:
        classes: Names of the classes.
        palette: Colors of the classes, RGB.
        dataset: The dataset.
        images: The predictions, in the order of the dataset.
        reliability: Tables (1 + C, 3, B) of ``reliability_tables``, by the temperature that the
            logits were divided by, 1 first; empty if the model keeps no probabilities.
        note: Why no temperature was used, or why there are no tables.
    """

    classes: list[str]
    palette: list[list[int]]
    dataset: Any
    images: list[Prediction]
    reliability: dict[float, np.ndarray] = field(default_factory=dict)
    note: str = ''

    @cached_property
    def counts(self) -> np.ndarray:
        """The confusion matrix of the whole set."""
        return sum(image.counts for image in self.images)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics with the names of ``PerClassIoUMetric``, in percent."""
        return scores(areas_of(self.counts), self.classes)


def evaluate(
    run: Run,
    split: str,
    *,
    device: str = 'cpu',
    watch: Callable[[Iterable], Iterator] = iter,
) -> Evaluation:
    """Predict a set as ``tools/test.py`` does, with the temperature beside the checkpoint.

    Args:
        run: A run with a config and a checkpoint.
        split: 'val' or 'test'.
        device: The device of the model.
        watch: Iterates over the batches and shows the progress.

    Raises:
        DataError: If the checkpoint or the data cannot be used.
    """
    cfg = copy.deepcopy(run.cfg)
    ignored = ignored_by(cfg.get(f'{split}_evaluator'))
    images, tables, notes = [], [], []
    with data_errors():
        try:
            temperature = read_temperature(run.checkpoint) or 1
        except DataError as error:
            temperature = 1
            notes.append(f'{run.name} is not calibrated: {error}')
        predictor = Predictor(cfg, run.checkpoint, device=device, temperature=temperature)
        loader = split_loader(cfg, split, name=run.config)
        for batch in watch(loader):
            with torch.no_grad():
                samples = predictor.model.test_step(batch)
            for sample in samples:
                truth, labels = truth_and_labels(sample)
                counts = confusion(truth, labels, len(predictor.classes), ignored=ignored)
                folder, name = os.path.split(sample.img_path)
                path, index = os.path.join(os.path.realpath(folder), name), len(images)
                images.append(Prediction(path, index, counts, pack(labels), labels.shape))
                tables.append(_reliability(sample, truth, labels, ignored, temperature))
    if not images:
        raise DataError(f'the {split} set of {run.config} contains no image: check its data')
    reliability = {t: sum(table[t] for table in tables) for t in tables[0]} if all(tables) else {}
    if not reliability:
        notes.append(
            f'{run.name} has no reliability diagrams, as only the labels of sliding windows are '
            'kept: set model.test_cfg.keep_logits=True'
        )
    return Evaluation(
        predictor.classes,
        predictor.palette,
        loader.dataset,
        images,
        reliability,
        '; '.join(notes),
    )


def areas_of(counts: np.ndarray) -> np.ndarray:
    """Return the areas (3, C) of intersection, prediction and label.

    Args:
        counts: Confusion matrix (C, C), with a row per true class.
    """
    return np.stack([np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)])


def confusions(
    counts: np.ndarray, classes: Sequence[str], number: int
) -> list[tuple[str, str, float]]:
    """Find the pairs of classes that are confused the most.

    Args:
        counts: Confusion matrix (C, C), with a row per true class.
        classes: Names of the classes.
        number: The largest number of pairs.

    Returns:
        True class, predicted class, and percent of the true class's pixels, at least 1.
    """
    fractions = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pairs = [
        (classes[i], classes[j], float(fraction))
        for (i, j), fraction in np.ndenumerate(fractions)
        if i != j and fraction >= 1
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:number]


def pack(labels: np.ndarray) -> bytes:
    """Compress labels (H, W)."""
    kind = np.uint8 if labels.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    return zlib.compress(labels.astype(kind).tobytes(), level=1)


def _reliability(
    sample: Any, truth: np.ndarray, labels: np.ndarray, ignored: int, temperature: float
) -> dict[float, np.ndarray]:
    """Return the tables of an image without and with the temperature; empty without logits."""
    if 'seg_logits' not in sample:
        return {}
    stored = sample.seg_logits.data
    probabilities = {1.0: uncalibrated_probabilities(stored, temperature)}
    if temperature != 1:
        probabilities[temperature] = stored_probabilities(stored)
    classes = len(probabilities[1])
    valid = torch.from_numpy((truth < classes) & (truth != ignored)).to(stored.device)
    pairs = [torch.from_numpy(x).to(stored.device)[valid] for x in (truth, labels)]
    return {
        t: reliability_tables(p[:, valid], *pairs).cpu().numpy() for t, p in probabilities.items()
    }


@dataclass
class RunResult:
    """The results of a run.

    Attributes:
        run: The run.
        metrics: Metrics with the names of ``PerClassIoUMetric``, in percent.
        source: The source of the metrics.
        evaluation: The predictions; ``None`` if there are none.
        missing: Why there are no predictions, as a sentence.
    """

    run: Run
    metrics: dict[str, float] = field(default_factory=dict)
    source: str = ''
    evaluation: Evaluation | None = None
    missing: str = ''


@dataclass
class GroupResult:
    """The results of a group of runs."""

    group: Group
    results: list[RunResult]

    @property
    def evaluations(self) -> list[Evaluation]:
        """The predictions of the runs that have some."""
        return [result.evaluation for result in self.results if result.evaluation]

    @property
    def classes(self) -> list[str]:
        """The names of the classes of the predictions; empty without predictions."""
        return self.evaluations[0].classes if self.evaluations else []

    @property
    def areas(self) -> list[dict[str, np.ndarray]]:
        """The areas (3, C) of each run with predictions by image."""
        return [
            {image.path: image.areas for image in evaluation.images}
            for evaluation in self.evaluations
        ]

    @property
    def metrics(self) -> list[dict[str, float]]:
        """The metrics of each run."""
        return [result.metrics for result in self.results]


def find_result(
    run: Run,
    split: str,
    *,
    device: str = 'cpu',
    watch: Callable[[Iterable], Iterator] = iter,
) -> RunResult:
    """Predict a set or, if a file for that is missing, read the recorded metrics.

    The arguments are those of :func:`evaluate`.
    """
    missing = f'{run.folder} contains no config: no predictions and no cost'
    if run.config and not run.checkpoint:
        missing = f'{run.folder} contains no checkpoint: no predictions'
    elif run.config:
        try:
            evaluation = evaluate(run, split, device=device, watch=watch)
            return RunResult(run, evaluation.metrics, f'{split} set', evaluation)
        except DataError as error:
            missing = f'no predictions of {run.name}: {error}'
        except Exception as error:  # code of the config, or a part that has changed since
            missing = f'no predictions of {run.name}: {type(error).__name__}: {error}'
    recorded, source = run.recorded_metrics(split)
    recalls = {f'Recall{k[3:]}': v for k, v in recorded.items() if k.startswith('Acc.')}
    return RunResult(run, recalls | recorded, source, missing=missing)


def on_one_set(results: Sequence[RunResult]) -> list[RunResult]:
    """Leave out the metrics of runs that were only validated, if others were tested."""
    if not any(result.source.startswith('test set') for result in results):
        return list(results)
    left_out = 'its validation is not among the scores of the tests'
    return [
        replace(result, metrics={}, source='', missing=f'{result.missing}; {left_out}')
        if result.source.startswith('validation')
        else result
        for result in results
    ]


def class_names(results: Iterable[RunResult]) -> list[str]:
    """Return the names of the classes, in the order of the labels if that is known."""
    results = list(results)
    names = [name for result in results if result.evaluation for name in result.evaluation.classes]
    keys = [key for result in results for key in result.metrics if key.startswith(PER_CLASS)]
    return list(dict.fromkeys([*names, *(key.removeprefix(PER_CLASS) for key in keys)]))


def differences(groups: Sequence[GroupResult]) -> str:
    """Explain why the scores of groups cannot be compared; empty if they can.

    Groups can be compared if they have the same number of runs, measured on the same images. For
    example, two seeds on one test set cannot be compared with two folds on different test sets.
    """
    measured = [[_images(run) for run in group.results if run.metrics] for group in groups]
    if len({frozenset(Counter(runs).items()) for runs in measured}) == 1:
        return ''
    sets = '; '.join(
        f'{group.group.name} has {_count(runs)}'
        for group, runs in zip(groups, measured, strict=True)
    )
    return f'{sets}. The images or runs differ, so the best score is not marked'


def _images(result: RunResult) -> tuple[str, ...]:
    """Identify the test images of a run, by their paths or, if unknown, by source and dataset."""
    if result.evaluation:
        return tuple(sorted(image.path for image in result.evaluation.images))
    return (result.source, *_dataset(result.run, 'test' if 'test' in result.source else 'val'))


def _dataset(run: Run, split: str) -> Iterator[str]:
    """Yield the settings that identify the dataset of a split in the config."""
    try:
        dataset = (run.cfg or {}).get(f'{split}_dataloader', {}).get('dataset')
    except DataError:  # the config cannot be read
        return
    *_, inner = nested_datasets(dataset)
    if inner:
        yield type_name(inner)
        for key in ('data_root', 'ann_file', 'data_prefix'):
            yield str(inner.get(key))


def _count(runs: Sequence[tuple[str, ...]]) -> str:
    """Format the number of runs and of their sets of test images."""
    sets = 'one set' if len(set(runs)) == 1 else f'{len(set(runs))} sets'
    return '1 run' if len(runs) == 1 else f'{len(runs)} runs on {sets} of images'
