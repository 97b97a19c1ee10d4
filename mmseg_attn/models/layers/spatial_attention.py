"""Spatial attention of SA-UNet.

Paper: Guo et al., "SA-UNet: Spatial Attention U-Net for Retinal Vessel Segmentation", arXiv
2004.03696:

    F' = F * sigmoid(Conv7x7([mean_c(F), max_c(F)]))

As in the authors' implementation, the convolution has no bias.
"""

from mmseg.registry import MODELS
from torch import Tensor, nn

from .channel_spatial import SpatialWeights


@MODELS.register_module()
class SpatialAttention(nn.Module):
    """Weigh the positions of a map.

    Args:
        channels: Channels of the map; not used.
        kernel_size: Side of the kernel in pixels, odd.

    Raises:
        ValueError: If ``kernel_size`` is even.
    """

    def __init__(self, channels: int, *, kernel_size: int = 7):
        super().__init__()
        self.weights = SpatialWeights(kernel_size=kernel_size, pools=('mean', 'max'), bias=False)

    def spatial_weights(self, x: Tensor) -> Tensor:
        """Return the weights of the positions, ``(N, 1, H, W)``; same arguments as ``forward``."""
        return self.weights(x)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``x``, ``(N, C, H, W)``; keep the shape."""
        return x * self.spatial_weights(x)
