"""Structured dropout convolutional block of SA-UNet.

Paper: Guo et al., "SA-UNet: Spatial Attention U-Net for Retinal Vessel Segmentation", arXiv
2004.03696. DropBlock is between convolution and normalization. As in the authors'
implementation, blocks have a side of 7, the rate is 0.18 as for DRIVE (0.13 for CHASE_DB1),
and convolutions have a bias, before a normalization too. At base width 16 with three
poolings, ``TransposedUpsample`` with 3x3 kernels and attention in the deepest block only, SA-UNet
then has their 537,299 trainable parameters with 3 channels and 1 class, 537,316 with 2.
"""

from mmcv.cnn import build_activation_layer, build_norm_layer
from mmseg.registry import MODELS
from torch import nn

from .drop_block import DropBlock


@MODELS.register_module()
class StructuredDropoutBlock(nn.Sequential):
    """Apply twice 3x3 convolution, DropBlock, normalization, activation; keep height and width.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of both convolutions.
        attention: Config of a layer between the two, built with ``channels``; ``None`` means none.
            SA-UNet has ``SpatialAttention`` in its deepest block.
        drop_rate: Fraction of the values that are dropped in training.
        drop_size: Side of the dropped blocks in pixels.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        attention: dict | None = None,
        drop_rate: float = 0.18,
        drop_size: int = 7,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        for width in (in_channels, out_channels):
            if attention is not None and len(self) > 0:
                self.append(MODELS.build(dict(attention, channels=out_channels)))
            self.append(nn.Conv2d(width, out_channels, kernel_size=3, padding=1))
            self.append(DropBlock(drop_rate, block_size=drop_size))
            if norm_cfg is not None:
                self.append(build_norm_layer(norm_cfg, out_channels)[1])
            self.append(build_activation_layer(act_cfg or dict(type='ReLU')))
