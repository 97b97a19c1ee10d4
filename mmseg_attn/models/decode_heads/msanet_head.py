"""The decoder of MSANet (Guo et al., 2021), Table 2.

Decision where the paper is brief: normalisation and ReLU follow every convolution but the last.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.layers import ConvLayer


@MODELS.register_module()
class MSANetHead(BaseDecodeHead):
    """Blocks of 3x3, 1x1 and 3x3 convolutions with index unpooling between them.

    At the inner levels the unpooled map stands beside the multi-level attention's output; at the
    finest level it stands alone. The last convolution, 3x3, gives the classes.

    Args:
        in_channels: channels of the encoder's levels, finest first.
        norm_cfg: normalisation; ``None`` means none.
        act_cfg: activation; ``None`` means ReLU.
        dropout_ratio: dropout before the last convolution.
        init_cfg: initialisation as in MMEngine; ``None`` means PyTorch's, in the classifier too,
            where MMSegmentation's heads begin with almost equal logits.
        kwargs: ``num_classes``, ``loss_decode``, ``ignore_index`` and what else MMSegmentation's
            ``BaseDecodeHead`` takes.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        dropout_ratio: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        super().__init__(
            in_channels,
            in_channels[0],
            in_index=tuple(range(len(in_channels))),
            input_transform='multiple_select',
            norm_cfg=norm_cfg,
            act_cfg=act_cfg or dict(type='ReLU'),
            dropout_ratio=dropout_ratio,
            init_cfg=init_cfg,
            **kwargs,
        )
        last = len(in_channels) - 1
        self.blocks = nn.ModuleList()
        for level, width in enumerate(in_channels):
            fused = 2 * width if 0 < level < last else width
            block = [self._conv(fused, 2 * width, 3), self._conv(2 * width, width, 1)]
            if level > 0:
                block.append(self._conv(width, in_channels[level - 1], 3))
            self.blocks.append(nn.Sequential(*block))
        self.conv_seg = nn.Conv2d(in_channels[0], self.out_channels, 3, padding=1)

    def _conv(self, in_channels: int, out_channels: int, kernel_size: int) -> ConvLayer:
        return ConvLayer(
            in_channels,
            out_channels,
            kernel_size,
            padding=kernel_size // 2,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decode.

        Args:
            inputs: the maps, finest first, then the positions of the pools' maxima, finest first.

        Returns:
            Logits ``(N, out_channels, H, W)`` at the size of the finest map.

        Raises:
            ValueError: if the pools' indices are missing.
        """
        features, indices = self._transform_inputs(inputs), inputs[len(self.in_channels) :]
        if len(indices) != len(features) - 1:
            raise ValueError(
                f'MSANetHead unpools and needs {len(features) - 1} maps of indices after the '
                f'{len(features)} features, got {len(indices)}: use MSANetEncoder, or UNetEncoder '
                'with return_indices=True'
            )
        x = self.blocks[-1](features[-1])
        for level in reversed(range(len(features) - 1)):
            size = features[level].shape[2:]
            x = F.max_unpool2d(x, indices[level], kernel_size=2, stride=2, output_size=size)
            if level > 0:
                x = torch.cat([x, features[level]], dim=1)
            x = self.blocks[level](x)
        return self.cls_seg(x)
