"""Backbones, which return their feature maps finest first."""

from .dilated_vgg16 import DilatedVGG16
from .fr_unet import FRUNet
from .msanet_encoder import MSANetEncoder
from .res_unet_encoder import ResUNetEncoder
from .timm_encoder import TimmEncoder
from .unet_encoder import UNetEncoder

__all__ = [
    'DilatedVGG16',
    'FRUNet',
    'MSANetEncoder',
    'ResUNetEncoder',
    'TimmEncoder',
    'UNetEncoder',
]
