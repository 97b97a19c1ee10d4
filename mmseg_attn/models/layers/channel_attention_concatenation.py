"""Channel attention in the decoder of P-UNet.

Paper: Zhang and Huang, "P-UNet: Parallel Attention Based UNet for Crack Detection" (ICSIP 2022).
There is no public code; this follows one sentence in the DA-UNet paper (arXiv 2304.10829, section
2): the decoder has four upsampling modules, P-UNet "adds a channel attention module after the
second", and keeps the skip connections unchanged. Decisions:

- The attention weighs the upsampled feature, directly after the upsampling and before the
  concatenation, so that the skip stays unchanged.
- It is the channel attention module of CBAM (Woo et al., 2018): average and maximum over the
  positions, one MLP without bias for both, whose hidden layer is 16 times narrower, sigmoid.
"""

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from .channel_spatial import ChannelWeights


@MODELS.register_module()
class ChannelAttentionConcatenation(nn.Module):
    """Fuse as ``[skip, up * w(up)]`` with one weight w per channel.

    Args:
        channels: Channels C of skip and decoder feature.
        reduction: The MLP's hidden layer has ``channels // reduction`` units, at least one.
    """

    def __init__(self, channels: int, *, reduction: int = 16):
        super().__init__()
        self.out_channels = 2 * channels
        self.channel = ChannelWeights(channels, reduction=reduction, pools=('mean', 'max'))

    def channel_weights(self, skip: Tensor, up: Tensor) -> Tensor:
        """Return w, ``(N, C, 1, 1)``; same arguments as ``forward``, ``skip`` is not used."""
        return self.channel(up)

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        """Fuse two maps ``(N, C, H, W)`` into one of ``(N, 2C, H, W)``."""
        return torch.cat([skip, up * self.channel_weights(skip, up)], dim=1)  # (N, 2C, H, W)
