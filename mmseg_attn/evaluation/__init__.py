"""What is measured: metrics, parameters and FLOPs, time, confusion of classes."""

from . import metrics
from .complexity import Complexity, complexity
from .seg_evaluator import SegEvaluator

__all__ = ['Complexity', 'SegEvaluator', 'complexity', 'metrics']
