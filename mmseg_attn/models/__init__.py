"""Backbones, necks, decode heads, attention layers and losses, each registered by its name."""

from . import backbones, decode_heads, layers, losses, necks, segmentors

__all__ = ['backbones', 'decode_heads', 'layers', 'losses', 'necks', 'segmentors']
