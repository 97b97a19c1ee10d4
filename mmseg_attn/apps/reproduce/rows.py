"""The records of a row of a table, and what they give."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..runs import Key, Record
from .tables import Column, PaperRow, PaperTable, Plan


@dataclass(frozen=True)
class RowResult:
    """The records of a row.

    Args:
        plan: The plan of the row.
        records: Its records, by fold and seed.
        changed: The files of the package that a run has used and that were changed since.
    """

    plan: Plan
    records: list[Record]
    changed: list[str]

    @property
    def row(self) -> PaperRow:
        """The row."""
        return self.plan.row

    def values(self, column: Column) -> list[float]:
        """Return the value of each record in the unit of the paper."""
        known = [record.scores.get(column.metric) for record in self.records]
        return [value * column.scale for value in known if value is not None]

    def measured(self, column: Column) -> tuple[float | None, float | None]:
        """Return mean and standard deviation in the unit of the paper.

        They are over the folds, each the mean over its seeds, or over the seeds of a single fold.
        """
        by_fold: dict[int, list[float]] = {}
        for record in self.records:
            if (value := record.scores.get(column.metric)) is not None:
                by_fold.setdefault(record.fold, []).append(value * column.scale)
        values = [statistics.mean(seeds) for seeds in by_fold.values()]
        mean = statistics.mean(values) if values else None
        values = values if len(values) > 1 else [v for seeds in by_fold.values() for v in seeds]
        return mean, statistics.stdev(values) if len(values) > 1 else None

    def complete(self, table: PaperTable) -> bool:
        """Return whether the row was run on all folds of its table."""
        return len(self.folds) == table.folds

    @property
    def folds(self) -> list[int]:
        """The folds that were run, in order."""
        return sorted({record.fold for record in self.records})

    @property
    def runs(self) -> str:
        """The folds and seeds that were run, such as 'folds 0 to 4, seed 0'."""
        by_seeds: dict[str, list[int]] = {}
        for fold in self.folds:
            seeds = _numbers('seed', [r.seed for r in self.records if r.fold == fold])
            by_seeds.setdefault(seeds, []).append(fold)
        parts = [f'{_numbers("fold", folds)}, {seeds}' for seeds, folds in by_seeds.items()]
        return '; '.join(parts)

    @property
    def seconds(self) -> float | None:
        """Seconds per training iteration of the fastest run."""
        times = [record.seconds.get('iteration') for record in self.records]
        return min((time for time in times if time is not None), default=None)


def collect(
    table: PaperTable, plans: Sequence[Plan], records: Mapping[Key, Record]
) -> list[RowResult]:
    """Find the records of each row."""
    results = []
    for plan in plans:
        of_row = [
            record
            for fold, digest in enumerate(plan.hashes)
            for key, record in sorted(records.items(), key=lambda item: item[0].seed or 0)
            if key == Key(digest, key.seed, table.split, table.checkpoint) and record.fold == fold
        ]
        changed = sorted({file for record in of_row for file in record.changed_code()})
        results.append(RowResult(plan, of_row, changed))
    return results


def _numbers(name: str, numbers: Iterable[int | None]) -> str:
    """Format numbers, such as 'folds 0 to 4' or 'seed 1'."""
    numbers = list(numbers)
    if len(numbers) == 1:
        return f'{name} {numbers[0]}'
    if None not in numbers and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f'{name}s {numbers[0]} to {numbers[-1]}'
    return f'{name}s {", ".join(map(str, numbers))}'
