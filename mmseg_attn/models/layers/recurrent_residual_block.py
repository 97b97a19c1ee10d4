"""Recurrent residual stage of R2U-Net.

Paper: Alom et al., "Recurrent Residual Convolutional Neural Network based on U-Net (R2U-Net) for
Medical Image Segmentation", arXiv 1802.06955. A recurrent layer applies one function f
(convolution, normalization and activation) repeatedly with the same weights:

    h_0 = f(x),    h_k = f(x + h_{k-1}),  k = 1 ... t

Decisions where the paper is silent, as in the widely used PyTorch implementation: a 1x1 convolution
without normalization sets the channels before the recurrent layers, and its output is what the
residual adds; nothing follows the sum; the statistics of the normalization, too, are shared by the
t + 1 applications; every convolution has a bias, before a normalization too. With
``NearestUpsample`` in the decoder, R2U-Net then has that implementation's 39,091,458 parameters at
base width 64 with 3 channels and 2 classes.
"""

from mmcv.cnn import build_activation_layer, build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn


class RecurrentConv(nn.Sequential):
    """Apply ``f(x)``, then ``t`` times ``f(x + h)``, where f is one 3x3 convolution layer.

    Args:
        channels: Channels of the input and of the output.
        t: Number of times that the layer is applied again.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        channels: int,
        *,
        t: int,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__(nn.Conv2d(channels, channels, kernel_size=3, padding=1))
        if norm_cfg is not None:
            self.append(build_norm_layer(norm_cfg, channels)[1])
        self.append(build_activation_layer(act_cfg or dict(type='ReLU')))
        self.t = t

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer ``t + 1`` times to ``x``, ``(N, C, H, W)``."""
        h = super().forward(x)
        for _ in range(self.t):
            h = super().forward(x + h)
        return h


@MODELS.register_module()
class RecurrentResidualBlock(nn.Module):
    """Apply a 1x1 convolution and two recurrent layers with a residual; keep the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of every convolution.
        t: Time steps: number of times that each layer is applied again. The number of parameters
            does not depend on it.
        norm_cfg: Normalization of the recurrent layers; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        t: int = 2,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        self.project = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.recurrent = nn.Sequential(
            *(
                RecurrentConv(out_channels, t=t, norm_cfg=norm_cfg, act_cfg=act_cfg)
                for _ in range(2)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        x = self.project(x)
        return x + self.recurrent(x)
