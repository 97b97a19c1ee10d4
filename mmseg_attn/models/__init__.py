from . import backbones, decode_heads, layers, losses, necks

__all__ = ['backbones', 'decode_heads', 'layers', 'losses', 'necks']
