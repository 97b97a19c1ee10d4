"""Decode heads, from the feature maps of a backbone or neck to logits."""

from .averaging_head import AveragingHead
from .large_fov_head import LargeFOVHead
from .lfa_head import LFAHead
from .msanet_head import MSANetHead
from .nested_unet_head import NestedUNetHead
from .unet_head import UNetHead
from .unpooling_head import UnpoolingHead

__all__ = [
    'AveragingHead',
    'LFAHead',
    'LargeFOVHead',
    'MSANetHead',
    'NestedUNetHead',
    'UNetHead',
    'UnpoolingHead',
]
