"""The head of DeepLab-LargeFOV (Chen et al., arXiv 1412.7062): VGG16's fully connected layers.

They are convolutions, the first one dilated: a large field of view at a small cost. Deviation: the
authors subsample the weights of VGG16's layers; here they are trained from scratch.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.layers import ConvLayer


@MODELS.register_module()
class LargeFOVHead(BaseDecodeHead):
    """Decode with a dilated 3x3 and a 1x1 convolution, each with dropout, and a classifier.

    Args:
        in_channels: Channels of the backbone's map.
        channels: Channels of both convolutions.
        dilation: Dilation of the 3x3 convolution in pixels of the feature map.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        dropout_ratio: Probability with which a value is dropped in training.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
        kwargs: ``num_classes``, ``loss_decode``, ``ignore_index``, ``in_index`` and other
            arguments of MMSegmentation's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: int = 512,
        *,
        channels: int = 1024,
        dilation: int = 12,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        dropout_ratio: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            in_channels,
            channels,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg or dict(type='ReLU'),
            dropout_ratio=dropout_ratio,
            init_cfg=init_cfg,
            **kwargs,
        )
        common = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.fc6 = ConvLayer(
            in_channels, channels, 3, padding=dilation, dilation=dilation, **common
        )
        self.fc7 = ConvLayer(channels, channels, 1, **common)
        self.dropout = nn.Dropout(dropout_ratio)  # BaseDecodeHead's drops whole channels

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the logits.

        Args:
            inputs: The backbone's maps, of which ``in_index`` names one (default: the last).

        Returns:
            Logits ``(N, out_channels, H, W)`` at the size of that map.
        """
        x = self.dropout(self.fc6(self._transform_inputs(inputs)))
        return self.cls_seg(self.fc7(x))
