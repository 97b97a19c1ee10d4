"""Write per-class results to a CSV file."""

import csv
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS


@HOOKS.register_module()
class PerClassCSVHook(Hook):
    """Write ``per_class.csv`` beside the log: a row per class and evaluation, a column per metric.

    It contains the metrics whose names end in ``.<class>``, which ``PerClassIoUMetric`` returns; if
    there are none, no file is written. A cell is empty where a metric is not defined.
    """

    def __init__(self) -> None:
        self._rows: list[dict] = []

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the rows of a validation."""
        self._add(runner, 'val', metrics)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the rows of a test."""
        self._add(runner, 'test', metrics)

    @master_only
    def _add(self, runner: Runner, split: str, metrics: dict[str, float] | None) -> None:
        rows: dict[str, dict] = {}
        loop = runner._train_loop  # in a test, runner.epoch would build the training set
        epoch, step = (loop.epoch, loop.iter) if isinstance(loop, BaseLoop) else ('', '')
        for key, value in (metrics or {}).items():
            metric, dot, name = key.partition('.')
            if dot:
                row = {'split': split, 'epoch': epoch, 'iter': step, 'class': name}
                rows.setdefault(name, row)[metric] = value
        if not rows:
            return
        self._rows += rows.values()
        names = dict.fromkeys(name for row in self._rows for name in row)
        with Path(runner.log_dir, 'per_class.csv').open('w', newline='') as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)
