"""Decode by unpooling with max-pooling indices (SegNet: Badrinarayanan et al., 2017, section 3).

With SegNet's convolutions, mirrored from VGG16, this is its decoder. MSANet's decoder is based on
it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.compat.tracing import is_exporting
from mmseg_attn.models.layers import ConvLayer


@MODELS.register_module()
class UnpoolingHead(BaseDecodeHead):
    """Unpool with the encoder's indices and convolve at every level; then classify.

    Only the deepest feature map and those of ``skips`` are used; of the others, only the size. The
    classifier is a 3x3 convolution without normalization and activation.

    Args:
        in_channels: Channels of the maps, finest first.
        levels: Channels and kernel size of every convolution of every level, finest first. The
            last one of a level has the channels of the next finer map; a level may have none.
        skips: Levels at which the feature map of backbone or neck is concatenated with the unpooled
            one.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        dropout_ratio: Probability with which a channel is dropped before the classifier.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's, in the classifier too,
            where MMSegmentation's heads start with nearly equal logits.
        kwargs: ``num_classes``, ``loss_decode``, ``ignore_index`` and other arguments of
            MMSegmentation's ``BaseDecodeHead``.

    Raises:
        ValueError: If the numbers of levels and feature maps differ.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        levels: Sequence[Sequence[tuple[int, int]]],
        skips: Sequence[int] = (),
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        dropout_ratio: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ):
        if len(levels) != len(in_channels):
            raise ValueError(
                f'levels must have one entry per feature map ({len(in_channels)}), but has '
                f'{len(levels)}: list the convolutions of every level'
            )
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
        self.skips = tuple(skips)
        self.blocks = nn.ModuleList()
        for level, convs in enumerate(levels):
            width = in_channels[level] * (2 if level in self.skips else 1)
            block = nn.Sequential()
            for channels, kernel_size in convs:
                block.append(
                    ConvLayer(
                        width,
                        channels,
                        kernel_size,
                        padding=kernel_size // 2,
                        norm_cfg=self.norm_cfg,
                        act_cfg=self.act_cfg,
                    )
                )
                width = channels
            self.blocks.append(block)
        self.conv_seg = nn.Conv2d(in_channels[0], self.out_channels, 3, padding=1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the logits.

        Args:
            inputs: Feature maps, finest first, then the indices of the pools' maxima, finest first.

        Returns:
            Logits ``(N, out_channels, H, W)`` at the size of the finest map.

        Raises:
            ValueError: If the pools' indices are missing.
        """
        features, indices = self._transform_inputs(inputs), inputs[len(self.in_channels) :]
        if len(indices) != len(features) - 1:
            raise ValueError(
                f'{type(self).__name__} needs the pooling indices of {len(features) - 1} of the '
                f'{len(features)} features, but got {len(indices)}: use UNetEncoder with '
                'return_indices=True, or MSANetEncoder'
            )
        x = self.blocks[-1](features[-1])
        for level in reversed(range(len(features) - 1)):
            x = unpool(x, indices[level], features[level].shape[2:])
            if level in self.skips:
                x = torch.cat([x, features[level]], dim=1)
            x = self.blocks[level](x)
        return self.cls_seg(x)


def unpool(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Move the values of a pooled map to the positions of the maxima, and set all others to zero.

    ``max_unpool2d`` does the same, but does not support bfloat16 in PyTorch 2.1 and, on CUDA,
    before 2.5. On CUDA it returns a contiguous map for a channels-last one, and it is not
    deterministic, so PyTorch refuses it with deterministic algorithms.

    Args:
        x: Pooled map ``(N, C, H, W)``.
        indices: Indices of the maxima as the pool returns them, of the same shape.
        size: Height and width of the map before the pool.

    Returns:
        ``(N, C, *size)``, in the memory format of ``x``.

    Raises:
        ValueError: If the map and the indices differ in their shapes.
    """
    if x.shape != indices.shape:
        raise ValueError(
            f'unpooling needs an index for each value, got indices {tuple(indices.shape)} for a '
            f'map {tuple(x.shape)}: the last convolution of a level must keep the size and have '
            'the channels of the next finer map'
        )
    samples, channels = x.shape[:2]
    if not is_exporting() and x.stride(1) == 1:
        out = x.new_zeros(samples, size[0] * size[1], channels).mT  # channels-last
    else:
        out = x.new_zeros(samples, channels, size[0] * size[1])
    return out.scatter_(2, indices.flatten(2), x.flatten(2)).unflatten(2, size)
