from .lfa_head import LFAHead
from .msanet_head import MSANetHead
from .unet_head import UNetHead

__all__ = ['LFAHead', 'MSANetHead', 'UNetHead']
