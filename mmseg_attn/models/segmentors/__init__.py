"""Segmentors, which apply a network to whole images."""

from .inference_mode import check_inference_mode
from .large_image_encoder_decoder import LargeImageEncoderDecoder
from .probability_tta_model import ProbabilityTTAModel, check_tta

__all__ = [
    'LargeImageEncoderDecoder',
    'ProbabilityTTAModel',
    'check_inference_mode',
    'check_tta',
]
