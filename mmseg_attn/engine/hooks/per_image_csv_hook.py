"""Write the results of each image of a test to a table."""

import csv
from collections import ChainMap
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class PerImageCSVHook(Hook):
    """Write ``per_image.csv`` to the log folder of a test: a row per image, a column per value.

    It takes the values of the metrics that have ``per_image``, such as ``SurfaceMetric``; without
    one it writes nothing. A cell is empty where a value is not defined. A column has the prefix of
    its metric, such as ``near/``, if that is set.
    """

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the values of a test."""
        evaluated = getattr(runner.test_evaluator, 'metrics', ())
        tables = [_with_prefix(metric) for metric in evaluated if hasattr(metric, 'per_image')]
        rows = [dict(ChainMap(*parts[::-1])) for parts in zip(*tables, strict=True)]
        if not rows:
            return
        names = dict.fromkeys(name for row in rows for name in row)
        with Path(runner.log_dir, 'per_image.csv').open('w', encoding='utf-8', newline='') as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)


def _with_prefix(metric: Any) -> list[dict]:
    prefix = f'{metric.prefix}/' if getattr(metric, 'prefix', None) else ''
    return [
        {name if name == 'img_path' else prefix + name: value for name, value in row.items()}
        for row in metric.per_image
    ]
