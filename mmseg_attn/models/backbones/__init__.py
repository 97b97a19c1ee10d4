from .msanet_encoder import MSANetEncoder
from .res_unet_encoder import ResUNetEncoder
from .unet_encoder import UNetEncoder

__all__ = ['MSANetEncoder', 'ResUNetEncoder', 'UNetEncoder']
