"""Register backbones, necks, decode heads, attention layers, losses and segmentors."""

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
