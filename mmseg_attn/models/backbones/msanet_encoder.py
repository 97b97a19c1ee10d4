"""The encoder of MSANet (Guo et al., 2021), Table 1.

The third row of block 2 prints 64x224x224, a misprint for 128x112x112. Pooling rounds odd sizes
down (250, 125, 62, 31); unpooling takes the sizes from the maps.
"""

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.layers import ConvBlock

from .unet_encoder import UNetEncoder


@MODELS.register_module()
class MSANetEncoder(UNetEncoder):
    """Encode with four blocks of three convolutions; the last pool keeps the size.

    Args:
        in_channels: Channels of the images.
        channels: Channels of every block, finest first.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        channels: Sequence[int] = (64, 128, 256, 512),
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(
            in_channels,
            channels=channels,
            block=dict(type=ConvBlock, num_convs=3),
            return_indices=True,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.last_pool = nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: Images ``(N, in_channels, H, W)``.

        Returns:
            Feature maps of the blocks at strides 1, 2 and 4, the output of the last pool at stride
            8, then the indices of the maxima of the three pools with stride 2, finest first.
        """
        levels = len(self.channels)
        outputs = list(super().forward(x))
        outputs[levels - 1] = self.last_pool(outputs[levels - 1])
        return tuple(outputs)
