"""Channel and spatial attention module (CSAM) of CSAM-ResUNet.

Paper: Jia et al., "Optimisation of U-Net Semantic Segmentation Model Based on Residual Connectivity
and Attention Mechanisms", section 2.3:

    W_CA = sigmoid(MLP(GAP(X)) + MLP(GMP(X))),    X_CA = W_CA X
    W_SA = sigmoid(Conv7x7([mean_c(X), max_c(X)])),  X_SA = W_SA X

Where the paper is silent:

- Both weights refer to the "original input feature map", and their combination is not specified.
  ``sequential`` (the default) weighs the channels first and computes the spatial weights from the
  result, as in CBAM; ``parallel`` computes both weights from the input and multiplies by both.
- The MLP's hidden layer is 16 times narrower than its input, has a ReLU and no bias.
- The 7x7 convolution has a bias and no normalization.
"""

from typing import Literal

from mmseg.registry import MODELS
from torch import Tensor, nn

from .channel_spatial import ChannelWeights, SpatialWeights


@MODELS.register_module()
class CSAM(nn.Module):
    """Weigh the channels, then the positions of a map.

    Args:
        channels: Channels of the map.
        reduction: The MLP's hidden layer has ``channels // reduction`` units, at least one.
        kernel_size: Side of the spatial kernel in pixels, odd.
        order: ``sequential``, or ``parallel`` for both weights from the input.

    Raises:
        ValueError: If ``order`` is neither of the two or ``kernel_size`` is even.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        kernel_size: int = 7,
        order: Literal['sequential', 'parallel'] = 'sequential',
    ):
        super().__init__()
        if order not in ('sequential', 'parallel'):
            raise ValueError(f"order must be 'sequential' or 'parallel', got {order!r}")
        self.order = order
        self.channel = ChannelWeights(channels, reduction=reduction, pools=('mean', 'max'))
        self.spatial = SpatialWeights(kernel_size=kernel_size, pools=('mean', 'max'))

    def channel_weights(self, x: Tensor) -> Tensor:
        """Return W_CA, ``(N, C, 1, 1)``; same arguments as ``forward``."""
        return self.channel(x)

    def spatial_weights(self, x: Tensor) -> Tensor:
        """Return W_SA, ``(N, 1, H, W)``; same arguments as ``forward``."""
        return self.spatial(x if self.order == 'parallel' else x * self.channel(x))

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``x``, ``(N, C, H, W)``; keep the shape."""
        weighted = x * self.channel(x)
        return weighted * self.spatial(x if self.order == 'parallel' else weighted)
