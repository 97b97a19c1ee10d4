"""Evaluate several metrics where MMSegmentation's tools expect a single config."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import Evaluator
from mmseg.evaluation import IoUMetric
from mmseg.registry import EVALUATOR, METRICS

from ..config_types import is_a


@EVALUATOR.register_module()
class SegEvaluator(Evaluator):
    """Evaluate several metrics with a config that is a dict, not a list.

    MMSegmentation's ``tools/test.py --out DIR`` sets ``output_dir=DIR`` in ``test_evaluator``,
    which fails for a list of metrics.

    Args:
        metrics: Configs of the metrics.
        kwargs: Arguments of the first ``IoUMetric``, or else of the first metric, that its config
            does not set.
    """

    def __init__(self, metrics: Sequence[dict], **kwargs: Any):
        super().__init__(with_arguments(metrics, kwargs))


def with_arguments(metrics: Sequence[Mapping], arguments: dict) -> list[dict]:
    """Add arguments to the config of the first ``IoUMetric``, or else of the first metric."""
    configs = [dict(metric) for metric in metrics]
    kinds = [is_a(metric, METRICS, IoUMetric) for metric in configs]
    index = kinds.index(True) if True in kinds else 0
    if configs:
        configs[index] = arguments | configs[index]
    return configs
