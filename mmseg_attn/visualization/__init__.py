"""Pictures of predictions, of attention and of confusion."""

from .attention_picture import draw_attention
from .attention_recording import record
from .seg_comparison_visualizer import SegComparisonVisualizer

__all__ = ['SegComparisonVisualizer', 'draw_attention', 'record']
