"""Attention arithmetic: pure functions on feature maps, several backends, one reference."""

from .global_attention import global_attention
from .window_attention import window_attention

__all__ = ['global_attention', 'window_attention']
