from .lfa_head import LFAHead
from .unet_head import UNetHead

__all__ = ['LFAHead', 'UNetHead']
