"""Several metrics in the place of one."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import Evaluator
from mmseg.registry import EVALUATOR


@EVALUATOR.register_module()
class SegEvaluator(Evaluator):
    """MMEngine's evaluator as a dict, which MMSegmentation's tools expect; a list will not do.

    ``tools/test.py --out DIR`` writes ``output_dir=DIR`` into ``test_evaluator``.

    Args:
        metrics: Configs of the metrics.
        kwargs: Settings of the first metric that its config does not hold.
    """

    def __init__(self, metrics: Sequence[dict], **kwargs: Any):
        first, *others = metrics
        super().__init__([kwargs | first, *others])
