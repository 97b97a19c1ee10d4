"""Evaluate models: metrics, parameters and FLOPs, speed, confusion matrix."""

from . import metrics
from .complexity import Complexity, complexity
from .seg_evaluator import SegEvaluator

__all__ = ['Complexity', 'SegEvaluator', 'complexity', 'metrics']
