"""The scores of a run, from the best source there is."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ...errors import DataError, RunError
from ..reproduce import find_metrics
from .evaluation import Evaluation, evaluate
from .groups import Group
from .log import PER_CLASS
from .run import Run


@dataclass
class Result:
    """What is known of a run.

    Attributes:
        run: The run.
        metrics: Called as by ``PerClassIoUMetric``, percent.
        source: Where they are from.
        evaluation: The predictions; ``None`` if there are none.
        lack: Why there are none, as a sentence.
    """

    run: Run
    metrics: dict[str, float] = field(default_factory=dict)
    source: str = ''
    evaluation: Evaluation | None = None
    lack: str = ''


@dataclass
class GroupResult:
    """The results of a group of runs."""

    group: Group
    results: list[Result]

    @property
    def evaluations(self) -> list[Evaluation]:
        """The predictions of the runs that have some."""
        return [result.evaluation for result in self.results if result.evaluation]


def find_result(
    run: Run,
    split: str,
    *,
    device: str = 'cpu',
    watch: Callable[[Iterable], Iterator] = iter,
) -> Result:
    """Predict a set, or, where something for that is missing, read what was measured before.

    Args:
        run: The run.
        split: 'val' or 'test'.
        device: Where the model runs.
        watch: Iterates over the batches and shows how far it is.
    """
    lack = f'{run.folder} holds no config: no predictions and no cost'
    if run.config and not run.checkpoint:
        lack = f'{run.folder} holds no checkpoint: no predictions'
    elif run.config:
        try:
            evaluation = evaluate(run, split, device=device, watch=watch)
            return Result(run, evaluation.metrics, f'{split} set', evaluation)
        except DataError as error:
            lack = f'no predictions of {run.name}: {error}'
    recorded, source = _recorded(run, split)
    recalls = {f'Recall{k[3:]}': v for k, v in recorded.items() if k.startswith('Acc.')}
    return Result(run, recalls | recorded, source, lack=lack)


def class_names(results: Iterable[Result]) -> list[str]:
    """The classes, in the order of the labels where that is known."""
    results = list(results)
    named = [name for each in results if each.evaluation for name in each.evaluation.classes]
    keys = [key for each in results for key in each.metrics if key.startswith(PER_CLASS)]
    return list(dict.fromkeys([*named, *(key.removeprefix(PER_CLASS) for key in keys)]))


def _recorded(run: Run, split: str) -> tuple[dict[str, float], str]:
    """The metrics of an earlier test, or else of the best validation."""
    if split == 'test':
        done = run.folder / 'cross_validation.json'
        if done.is_file() and 'metrics' in (content := json.loads(done.read_text())):
            return content['metrics'], 'test set, from cross_validation.json'
        beside = [run.folder.parent / 'test'] if run.folder.name == 'train' else []
        for folder in (run.folder / 'test', *beside, run.folder):
            try:
                return find_metrics(folder), 'test set, from the log of the test'
            except RunError:
                continue
    best = run.log.best()
    if best is None:
        return {}, ''
    entry = run.log.scores[best[0]]
    metrics = {k: v for k, v in entry.items() if isinstance(v, int | float) and math.isfinite(v)}
    return metrics, f'validation at {run.log.unit} {best[0]}, from the log'
