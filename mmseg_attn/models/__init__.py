"""Backbones, necks, decode heads, attention layers and losses, each registered by its name."""

from . import backbones, decode_heads, layers, losses, necks, segmentors
from .async_seg_data_preprocessor import AsyncSegDataPreProcessor

__all__ = [
    'AsyncSegDataPreProcessor',
    'backbones',
    'decode_heads',
    'layers',
    'losses',
    'necks',
    'segmentors',
]
