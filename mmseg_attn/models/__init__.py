from . import backbones, decode_heads, layers, losses, necks, segmentors

__all__ = ['backbones', 'decode_heads', 'layers', 'losses', 'necks', 'segmentors']
