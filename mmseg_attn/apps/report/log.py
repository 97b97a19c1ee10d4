"""The curves of a training, whatever number of starts it took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .launch import Launch

PER_CLASS = 'IoU.'


@dataclass
class Log:
    """What was logged, without what a later start has done again.

    Attributes:
        losses: Iterations, and what training logged there.
        scores: Epochs or iterations, and the metrics of the validation there.
        by_epoch: Whether it is validated, and counted, by epoch.
        epoch_length: Iterations of an epoch, at least; 1 if counted by iteration.
    """

    losses: dict[int, dict]
    scores: dict[int, dict]
    by_epoch: bool
    epoch_length: int = 1

    @property
    def unit(self) -> str:
        """What the run counts in."""
        return 'epoch' if self.by_epoch else 'iteration'

    @property
    def classes(self) -> list[str]:
        """Names of the classes that have an IoU."""
        keys = dict.fromkeys(key for entry in self.scores.values() for key in entry)
        return [key.removeprefix(PER_CLASS) for key in keys if key.startswith(PER_CLASS)]

    def curve(self, key: str, unit: str) -> tuple[list[float], list[float]]:
        """The values of a loss or a metric.

        Args:
            key: Its name in the log.
            unit: 'iteration', or 'epoch' if the run counts in them.

        Returns:
            Where it has a finite value, and the values.
        """
        per_loss = 1 / self.epoch_length if unit == 'epoch' else 1
        per_score = self.epoch_length if self.by_epoch and unit == 'iteration' else 1
        found = [
            (step * scale, entry[key])
            for entries, scale in ((self.losses, per_loss), (self.scores, per_score))
            for step, entry in entries.items()
            if isinstance(entry.get(key), int | float) and math.isfinite(entry[key])
        ]
        return [step for step, _ in found], [value for _, value in found]

    def best(self, key: str = 'mIoU') -> tuple[int, float] | None:
        """Where a metric is the largest, and how large; ``None`` where it has no value."""
        steps, values = self.curve(key, self.unit)
        return max(zip(steps, values, strict=True), key=lambda each: each[1], default=None)


def join(launches: Sequence[Launch]) -> Log:
    """Join the starts of a training.

    A start that resumed replaces what comes behind the iteration that it went on from; any other
    replaces everything.

    Args:
        launches: Oldest first.
    """
    entries: list[dict] = []
    for launch in launches:
        first = next((each['iter'] for each in launch.entries if _is_loss(each)), None)
        if first is not None:
            begin = launch.resumed_at if launch.resumed_at is not None else first - 1
            kept = (i for i, each in enumerate(entries) if _is_loss(each) and each['iter'] > begin)
            entries = entries[: next(kept, len(entries))] if begin else []
        entries += launch.entries
    losses = {each['iter']: each for each in entries if _is_loss(each)}
    scores = {each['step']: each for each in entries if not _is_loss(each) and 'step' in each}
    lengths = [each['iter'] / each['epoch'] for each in losses.values() if each.get('epoch')]
    return Log(
        losses, dict(sorted(scores.items())), bool(lengths), math.ceil(max(lengths, default=1))
    )


def _is_loss(entry: dict) -> bool:
    return 'loss' in entry and 'iter' in entry
