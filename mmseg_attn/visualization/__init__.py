"""Draw predictions, attention maps and confusion matrices."""

from .seg_comparison_visualizer import SegComparisonVisualizer

__all__ = ['SegComparisonVisualizer']
