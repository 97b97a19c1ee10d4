"""Attention gates of the Attention U-Net (Oktay et al., arXiv 1804.03999).

A signal g from the decoder weighs the positions of the skip connection x before the concatenation
(equation 1):

    alpha = sigmoid(psi(ReLU(W_g g + W_x x))),  output = [alpha x, up]

Two gates go by this name:

- ``AttentionGate``, the widely used PyTorch version: g is the upsampled decoder feature; W_g, W_x
  and psi are 1x1 convolutions with batch normalization, the hidden layer has half the channels, and
  all four skips are gated. Deviation: no biases before the normalization, where they cancel, unless
  ``bias`` is set.
- ``GridAttentionGate``, the authors' own: g is the coarser decoder feature before it is upsampled,
  W_x is a 2x2 convolution with stride 2 without bias, the hidden layer has all the channels, there
  is no normalization, alpha is upsampled bilinearly, and the finest skip is not gated. Deviation:
  parts of their code beyond equation 1 are left out: a convolution of each gate's output, another
  one of the deepest signal, deep supervision.

The first version upsamples by nearest neighbors and a 3x3 convolution, the second by interpolation.
Here both upsample like the U-Net (``TransposedUpsample``), so that only the gates differ.
"""

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from .conv_layer import ConvLayer
from .padding import pad_end
from .upsample import match_size


@MODELS.register_module()
class AttentionGate(nn.Module):
    """Fuse as ``[skip * alpha, up]`` with alpha from the skip and the upsampled feature.

    Args:
        channels: Channels C of skip and decoder feature.
        norm_cfg: Normalization after W_g, W_x and psi (one channel); ``None`` means none.
        bias: Whether W_g, W_x and psi have a bias; ``None`` means only without normalization.
    """

    def __init__(self, channels: int, *, norm_cfg: dict | None = None, bias: bool | None = None):
        super().__init__()
        self.out_channels = 2 * channels
        hidden = max(channels // 2, 1)
        common: dict[str, Any] = dict(norm_cfg=norm_cfg, act_cfg=None)
        common['bias'] = 'auto' if bias is None else bias
        self.w_g = ConvLayer(channels, hidden, 1, **common)
        self.w_x = ConvLayer(channels, hidden, 1, **common)
        self.psi = ConvLayer(hidden, 1, 1, **common)

    def spatial_weights(self, skip: Tensor, up: Tensor) -> Tensor:
        """Return alpha, ``(N, 1, H, W)``; same arguments as ``forward``."""
        return self.psi((self.w_g(up) + self.w_x(skip)).relu()).sigmoid()

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        """Fuse two maps ``(N, C, H, W)`` into one of ``(N, 2C, H, W)``."""
        return torch.cat([skip * self.spatial_weights(skip, up), up], dim=1)  # (N, 2C, H, W)


@MODELS.register_module()
class GridAttentionGate(nn.Module):
    """Fuse as ``[skip * alpha, up]`` with alpha from the skip and the coarser feature.

    Odd sides of the skip are padded with a row or column of zeros before W_x, since pooling rounds
    up.

    Args:
        channels: Channels C of skip and upsampled feature.
        coarse_channels: Channels of the decoder feature before the upsampling.
    """

    takes_coarse = True

    def __init__(self, channels: int, *, coarse_channels: int):
        super().__init__()
        self.out_channels = 2 * channels
        self.w_g = nn.Conv2d(coarse_channels, channels, 1)
        self.w_x = nn.Conv2d(channels, channels, 2, stride=2, bias=False)
        self.psi = nn.Conv2d(channels, 1, 1)

    def spatial_weights(self, skip: Tensor, up: Tensor, coarse: Tensor) -> Tensor:
        """Return alpha, ``(N, 1, H, W)``; same arguments as ``forward``, ``up`` is not used."""
        height, width = skip.shape[2:]
        x = self.w_x(pad_end(skip, height % 2, width % 2))
        g = match_size(self.w_g(coarse), x.shape[2:])
        alpha = self.psi((g + x).relu()).sigmoid()  # (N, 1, ceil(H / 2), ceil(W / 2))
        alpha = F.interpolate(alpha, scale_factor=2, mode='bilinear', align_corners=False)
        return match_size(alpha, (height, width))

    def forward(self, skip: Tensor, up: Tensor, coarse: Tensor) -> Tensor:
        """Gate the skip and concatenate.

        Args:
            skip: Encoder feature ``(N, C, H, W)``.
            up: Upsampled decoder feature of the same shape.
            coarse: Decoder feature before the upsampling; if it does not have half the size of
                the skip, its map W_g g is resized.

        Returns:
            ``(N, 2C, H, W)``.
        """
        return torch.cat([skip * self.spatial_weights(skip, up, coarse), up], dim=1)
