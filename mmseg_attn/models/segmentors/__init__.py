"""Segmentors, which apply a network to whole images."""

from .ensemble_segmentor import EnsembleSegmentor, entropy_of
from .large_image_encoder_decoder import LargeImageEncoderDecoder
from .probability_tta_model import ProbabilityTTAModel, check_tta
from .settings import check_settings, setting_faults, swaps_colors

__all__ = [
    'EnsembleSegmentor',
    'LargeImageEncoderDecoder',
    'ProbabilityTTAModel',
    'check_settings',
    'check_tta',
    'entropy_of',
    'setting_faults',
    'swaps_colors',
]
