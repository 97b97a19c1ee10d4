"""What is known of a row."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .plan import Plan
from .process import summarize
from .tables import Column, Row, Table


@dataclass(frozen=True)
class Result:
    """What is known of a row; everything is empty or ``None`` where it has not been run.

    Args:
        row: the row.
        summary: mean and deviation of each metric over the finished folds.
        states: what each fold has done.
        finished: how many folds are measured.
        plan: where it comes from.
    """

    row: Row
    plan: Plan
    states: list[dict] = field(default_factory=list)
    summary: dict[str, dict] = field(default_factory=dict)
    finished: int = 0

    @property
    def failures(self) -> list[str]:
        """Why it, or folds of it, failed."""
        failed = [state['failed'] for state in self.states if 'failed' in state]
        return [*([self.plan.error] if self.plan.error else []), *failed]

    @property
    def status(self) -> str:
        """In one or two words."""
        if self.failures:
            return 'failed'
        if self.finished == len(self.plan.runs) > 0:
            return 'finished'
        return 'partly run' if self.finished else 'not run'

    def measured(self, column: Column) -> tuple[float | None, float | None]:
        """Mean and deviation in the paper's unit."""
        values = self.summary.get(column.metric, {})
        mean, std = values.get('mean'), values.get('std')
        scaled = [None if value is None else value * column.scale for value in (mean, std)]
        return scaled[0], scaled[1]

    @property
    def seconds(self) -> float | None:
        """Per iteration of the training, the mean over the folds."""
        times = [state.get('seconds_per_iteration') for state in self.states]
        known = [time for time in times if time is not None]
        return sum(known) / len(known) if known else None


def collect(table: Table, plans: Sequence[Plan]) -> list[Result]:
    """Read what the runs have left."""
    results = []
    for plan in plans:
        states, found = [run.state() for run in plan.runs], []
        for state in states:
            if table.split in state.get('metrics', {}):
                found.append(state['metrics'][table.split])
                state.pop('failed', None)  # that was on the split of another table
        results.append(Result(plan.row, plan, states, summarize(found), len(found)))
    return results
