"""Segmentors: how a network is applied to whole images."""

from .large_image_encoder_decoder import LargeImageEncoderDecoder

__all__ = ['LargeImageEncoderDecoder']
