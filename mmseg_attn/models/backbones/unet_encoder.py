"""The contracting path of the U-Net (Ronneberger et al., 2015) as a backbone.

Deviation: pooling rounds odd sizes up, so any size works and no row or column is lost; on sizes
that divide by 2 ** (stages - 1) nothing changes.
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.layers import channels_last_on_cpu, per_level


@MODELS.register_module()
class UNetEncoder(BaseModule):
    """Encode with stages of convolutions and 2x2 max pooling between them.

    Args:
        in_channels: Channels of the images.
        channels: Channels of every stage, finest first; their number is the depth.
        block: Config of the stages, or one config per stage, built with ``in_channels``,
            ``out_channels`` and, unless it sets them, ``norm_cfg`` and ``act_cfg``; ``None``
            means ``ConvBlock``.
        return_indices: Whether to return also the indices of the maxima of every pool, finest
            first, for decoders that unpool.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.

    Raises:
        ValueError: If the numbers of blocks and stages differ.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
        block: dict | Sequence[dict] | None = None,
        return_indices: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        self.channels = tuple(channels)
        widths = [in_channels, *channels]
        common = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.stages = nn.ModuleList(
            MODELS.build({**common, **cfg, 'in_channels': widths[i], 'out_channels': widths[i + 1]})
            for i, cfg in enumerate(per_level(block, len(self.channels)))
        )
        self.pool = nn.MaxPool2d(2, ceil_mode=True, return_indices=return_indices)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: Images ``(N, in_channels, H, W)`` of any size.

        Returns:
            One feature map per stage, finest first: strides 1, 2, 4, ... with sizes rounded up.
            With ``return_indices``, they are followed by the indices of the maxima, in the shapes
            of the pools' outputs.

        Raises:
            ValueError: In training with normalization, if a feature map has only one value per
                channel.
        """
        features, indices = [self.stages[0](channels_last_on_cpu(x))], []
        for stage in self.stages[1:]:
            x = self.pool(features[-1])
            if self.pool.return_indices:
                x, index = x
                indices.append(index)
            features.append(stage(x))
        return (*features, *indices)
