"""Attention functions on feature maps, with several backends and one reference.

Scores and softmax of half-precision maps are in float32; the result has the type of the maps.
"""

from .attention_map import attention_map, window_at
from .backends import without_autocast
from .exporting import crop
from .global_attention import global_attention
from .window_attention import window_attention

__all__ = [
    'attention_map',
    'crop',
    'global_attention',
    'window_at',
    'window_attention',
    'without_autocast',
]
