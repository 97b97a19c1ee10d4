"""Pictures of predictions, of attention and of confusion."""

from .seg_comparison_visualizer import SegComparisonVisualizer

__all__ = ['SegComparisonVisualizer']
