"""Hybrid attention of Hybrid-UNet.

Paper: Li et al., "Optimized Unet with Attention Mechanism for Multi-Scale Semantic Segmentation",
equations 1 to 3:

    w_c = sigmoid(W2 ReLU(W1 GAP(F)))
    w_s = sigmoid(Conv([max_c(F), mean_c(F)]))
    F'  = F * w_c * w_s

Unlike in CSAM, both weights are computed from F, and the channel weights from average pooling only.
W1 and W2 are matrices without bias, as in equation 1. The paper does not specify reduction and
kernel size: here they are 16 and 7x7; the convolution has a bias.
"""

from mmseg.registry import MODELS
from torch import Tensor, nn

from .channel_spatial import ChannelWeights, SpatialWeights


@MODELS.register_module()
class HybridAttention(nn.Module):
    """Weigh the channels and the positions of a map at once.

    Args:
        channels: Channels of the map.
        reduction: The hidden layer (W1) has ``channels // reduction`` units, at least one.
        kernel_size: Side of the spatial kernel in pixels, odd.

    Raises:
        ValueError: If ``kernel_size`` is even.
    """

    def __init__(self, channels: int, *, reduction: int = 16, kernel_size: int = 7):
        super().__init__()
        self.channel = ChannelWeights(channels, reduction=reduction, pools=('mean',))
        self.spatial = SpatialWeights(kernel_size=kernel_size, pools=('max', 'mean'))

    def channel_weights(self, x: Tensor) -> Tensor:
        """Return w_c, ``(N, C, 1, 1)``; same arguments as ``forward``."""
        return self.channel(x)

    def spatial_weights(self, x: Tensor) -> Tensor:
        """Return w_s, ``(N, 1, H, W)``; same arguments as ``forward``."""
        return self.spatial(x)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``x``, ``(N, C, H, W)``; keep the shape."""
        return x * self.channel_weights(x) * self.spatial_weights(x)
