from .seg_comparison_visualizer import SegComparisonVisualizer

__all__ = ['SegComparisonVisualizer']
