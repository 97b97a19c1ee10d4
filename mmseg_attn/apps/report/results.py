"""Find the metrics of runs and groups in the best available source."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...config_types import type_name
from ...datasets.nested_datasets import nested_datasets
from ...errors import DataError
from ..runs import PER_CLASS, Group, Run
from .evaluation import Evaluation, evaluate


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
    recorded, source = run.recorded_metrics(split)
    recalls = {f'Recall{k[3:]}': v for k, v in recorded.items() if k.startswith('Acc.')}
    return RunResult(run, recalls | recorded, source, missing=missing)


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
