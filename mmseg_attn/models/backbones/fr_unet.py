"""FR-UNet without its classifiers, which are in ``AveragingHead``.

Paper: Liu et al., "Full-Resolution Network and Dual-Threshold Iteration for Retinal Vessel and
Coronary Angiograph Segmentation" (IEEE JBHI 26(9), 2022). Its details here are those of the
authors' published code; the dual-threshold iteration, a postprocessing for vessels, is left out.

With four levels, node (i, c) at level i (stride 2 ** i) and column c exists for
``|c| <= 3 - i``, and

    X[i, c] = R(A([down(X[i - 1, c - 1]), X[i, c - 1], up(X[i + 1, c - 1])]))

where nodes that do not exist are left out; X[0, -3] takes the image. The full resolution is kept in
X[0, -3], ..., X[0, 3]; the five of them with an input from level 1 are the output. A, the feature
aggregation, is a batch normalization of the sum of a 1x1, a 3x3 and a 3x3 convolution with dilation
2. R is a residual block with channel dropout. ``down`` and ``up`` are 2x2 (transposed) convolutions
with stride 2, normalization and activation.

A node with a single input passes it to R, and no A is built for it. The published code builds these
four, and a fusion of the five outputs, but never uses them. Without them there are 5,719,621
parameters at base width 32 with one channel and one class, and each receives a gradient.

Deviations: odd sides are padded with a row or column of zeros before ``down``, and
``up`` crops it, so any size works. Weights start from PyTorch's initialization, as in all models of
this package.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_activation_layer, build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.layers import ConvLayer, match_size, pad_end


def _norm(norm_cfg: dict | None, channels: int) -> nn.Module:
    return build_norm_layer(norm_cfg, channels)[1] if norm_cfg else nn.Identity()


class _Aggregation(nn.Module):
    """``norm(Conv1x1(x) + Conv3x3(x) + Conv3x3dilated(x))``."""

    def __init__(self, in_channels: int, out_channels: int, *, norm_cfg: dict | None):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                padding=padding,
                dilation=max(padding, 1),
                bias=bias,
            )
            # one bias is enough for the sum
            for kernel_size, padding, bias in [
                (1, 0, norm_cfg is None),
                (3, 1, False),
                (3, 2, False),
            ]
        )
        self.norm = _norm(norm_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.convs
        return self.norm(sum((conv(x) for conv in others), first(x)))


class _Residual(nn.Module):
    """``act(drop(norm(conv(act(drop(norm(conv(x))))))) + x)``."""

    def __init__(self, channels: int, *, dropout: float, norm_cfg: dict | None, act_cfg: dict):
        super().__init__()
        conv = dict(kernel_size=3, padding=1, norm_cfg=norm_cfg, act_cfg=None)
        self.convs = nn.Sequential(
            ConvLayer(channels, channels, **conv),
            nn.Dropout2d(dropout),
            build_activation_layer(act_cfg),
            ConvLayer(channels, channels, **conv),
            nn.Dropout2d(dropout),
        )
        self.activation = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.convs(x) + x)


@MODELS.register_module()
class FRUNet(BaseModule):
    """Encode and decode by a grid of residual blocks that exchange maps between levels.

    Args:
        in_channels: Channels of the images.
        channels: Channels of every level, finest first; their number L is the depth.
        dropout: Probability with which a channel is dropped in training.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means LeakyReLU with slope 0.1.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.

    Raises:
        ValueError: If there are fewer than two levels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        channels: Sequence[int] = (32, 64, 128, 256),
        dropout: float = 0.2,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        levels = len(channels)
        if levels < 2:
            raise ValueError(f'FRUNet needs at least two levels, got channels={channels}')
        self.channels = (channels[0],) * (2 * levels - 3)
        act_cfg = act_cfg or dict(type='LeakyReLU', negative_slope=0.1)

        def resample(conv: type[nn.Module], source: int, target: int) -> nn.Sequential:
            return nn.Sequential(
                conv(channels[source], channels[target], 2, stride=2, bias=norm_cfg is None),
                _norm(norm_cfg, channels[target]),
                build_activation_layer(act_cfg),
            )

        heights = [
            levels - abs(column) for column in range(1 - levels, levels)
        ]  # 1, ..., L, ..., 1
        self.columns, self.downs, self.ups = (nn.ModuleList() for _ in range(3))
        for before, height, after in zip([0, *heights], heights, [*heights[1:], 0], strict=False):
            column = nn.ModuleList()
            for level in range(height):
                node = nn.Sequential()
                inputs = sum(0 <= near < before for near in (level - 1, level, level + 1))
                if inputs != 1:  # no inputs: the node takes the image
                    width = inputs * channels[level] if inputs else in_channels
                    node.append(_Aggregation(width, channels[level], norm_cfg=norm_cfg))
                node.append(
                    _Residual(channels[level], dropout=dropout, norm_cfg=norm_cfg, act_cfg=act_cfg)
                )
                column.append(node)
            self.columns.append(column)
            self.downs.append(
                nn.ModuleList(resample(nn.Conv2d, i, i + 1) for i in range(min(height, after - 1)))
            )
            self.ups.append(
                nn.ModuleList(resample(nn.ConvTranspose2d, i, i - 1) for i in range(1, height))
            )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of the finest level.

        Args:
            x: Images ``(N, in_channels, H, W)`` of any size.

        Returns:
            2L - 3 feature maps ``(N, channels[0], H, W)``, from the shallowest to the deepest path.

        Raises:
            ValueError: In training with normalization, if a feature map has only one value per
                channel.
        """
        finest, inputs = [], [[x]]
        column: Any  # these three are ModuleLists
        downs: Any
        ups: Any
        for column, downs, ups in zip(self.columns, self.downs, self.ups, strict=True):
            maps = [node(_side_by_side(near)) for node, near in zip(column, inputs, strict=True)]
            finest.append(maps[0])
            coarser = [down(_even(x)) for down, x in zip(downs, maps, strict=False)]
            finer = [match_size(up(maps[i + 1]), maps[i].shape[2:]) for i, up in enumerate(ups)]
            inputs = [  # of the next column
                [*coarser[max(i - 1, 0) : i], *maps[i : i + 1], *finer[i : i + 1]]
                for i in range(len(coarser) + 1)
            ]
        return tuple(finest[2:])


def _side_by_side(maps: list[Tensor]) -> Tensor:
    return maps[0] if len(maps) == 1 else torch.cat(maps, dim=1)


def _even(x: Tensor) -> Tensor:
    """Pad odd sides with a row of zeros at the bottom or a column at the right."""
    return pad_end(x, x.shape[2] % 2, x.shape[3] % 2)
