"""The encoder of CSAM-ResUNet (Jia et al.): residual stages of 1x1 convolutions.

Decisions where the paper is silent: two convolutions per stage; no normalization in the paper's
config. The paper has five pooled stages but four upsamplings; here the last stage is not pooled.
The bottleneck, one 1x1 convolution with ReLU, follows the last stage.
"""

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_attn.models.layers import ConvLayer, ResidualBlock

from .unet_encoder import UNetEncoder


@MODELS.register_module()
class ResUNetEncoder(UNetEncoder):
    """Encode with residual blocks and one more convolution on the deepest feature map.

    Args:
        in_channels: Channels of the images.
        channels: Channels of every stage, finest first.
        kernel_size: Side of the kernels in pixels: 1 as in the paper, or 3 as in the usual residual
            U-Net.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
        kernel_size: int = 1,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(
            in_channels,
            channels=channels,
            block=dict(type=ResidualBlock, kernel_size=kernel_size),
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
        self.bottleneck = ConvLayer(
            channels[-1],
            channels[-1],
            kernel_size,
            padding=kernel_size // 2,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg or dict(type='ReLU'),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images ``(N, in_channels, H, W)`` into one feature map per level, finest first."""
        *skips, deepest = super().forward(x)
        return (*skips, self.bottleneck(deepest))
