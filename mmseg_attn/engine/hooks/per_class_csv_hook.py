"""Write the results of each class to a table."""

import csv
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS


@HOOKS.register_module()
class PerClassCSVHook(Hook):
    """Write ``per_class.csv``: a row per class and validation, a column per metric.

    The file is in the folder of the log. Its metrics are those whose names end in ``.<class>``, as
    ``PerClassIoUMetric`` returns them; without such metrics, no file is written. A cell is empty
    where a metric is not defined. MMEngine writes the metrics of a test to a JSON file in the same
    folder.
    """

    def __init__(self) -> None:
        self._rows: list[dict] = []

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the rows of a validation."""
        rows: dict[str, dict] = {}
        loop = runner._train_loop  # runner.epoch would build the training set for a mere validation
        epoch, step = (loop.epoch, loop.iter) if isinstance(loop, BaseLoop) else ('', '')
        for key, value in (metrics or {}).items():
            metric, dot, name = key.partition('.')
            if dot:
                row = {'split': 'val', 'epoch': epoch, 'iter': step, 'class': name}
                rows.setdefault(name, row)[metric] = value
        if not rows:
            return
        self._rows += rows.values()
        names = dict.fromkeys(name for row in self._rows for name in row)
        with Path(runner.log_dir, 'per_class.csv').open('w', encoding='utf-8', newline='') as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)
