"""Residual stage (He et al., 2016) of CSAM-ResUNet and of the residual U-Net.

CSAM-ResUNet's paper adds "residual connections between each convolutional layer". Decisions where
it is silent: two convolutions bridged by one shortcut; a 1x1 convolution as shortcut where the
channels change; the last activation after the sum.
"""

from mmcv.cnn import build_activation_layer
from mmseg.registry import MODELS
from torch import Tensor, nn

from .conv_layer import ConvLayer


@MODELS.register_module()
class ResidualBlock(nn.Module):
    """Compute ``act(conv(act(conv(x))) + shortcut(x))``; keep height and width.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of every convolution.
        num_convs: Number of convolutions.
        kernel_size: Side of the kernels in pixels, odd.
        norm_cfg: Normalization; ``None`` means none, and convolutions with bias.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        num_convs: int = 2,
        kernel_size: int = 3,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        act_cfg = act_cfg or dict(type='ReLU')
        self.convs = nn.Sequential(
            *(
                ConvLayer(
                    in_channels if i == 0 else out_channels,
                    out_channels,
                    kernel_size,
                    padding=kernel_size // 2,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg if i < num_convs - 1 else None,
                )
                for i in range(num_convs)
            )
        )
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else ConvLayer(in_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=None)
        )
        self.activation = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        return self.activation(self.convs(x) + self.shortcut(x))
