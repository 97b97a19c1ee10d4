"""Necks of CSAM-ResUNet and Hybrid-UNet: an attention layer on each skip connection."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.layers import CSAM, HybridAttention

from .feature_neck import FeatureNeck


class SkipAttention(FeatureNeck):
    """Apply an attention layer to each of the selected features.

    Args:
        in_channels: Channels of all the backbone's features, finest first.
        levels: Indices of the features that get a layer; ``None`` means all but the deepest.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
        kwargs: Arguments of the layer.

    Raises:
        ValueError: If a level is not one of the features.
    """

    layer: type[nn.Module]

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        levels: Sequence[int] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ):
        super().__init__(init_cfg)
        count = len(in_channels)
        if levels is None:
            levels = range(count - 1)
        for level in levels:
            if not -count <= level < count:
                raise ValueError(
                    f'level {level} in levels={list(levels)} is not an index of the {count} '
                    f'features in in_channels={list(in_channels)}'
                )
        self.in_channels = tuple(in_channels)
        self.levels = sorted({level % count for level in levels})
        self.attentions = nn.ModuleList(
            self.layer(self.in_channels[level], **kwargs) for level in self.levels
        )

    def skip(self, features: list[Tensor], level: int) -> Tensor:
        """Return the input of the attention layer of a level."""
        return features[level]

    def exchange(self, features: list[Tensor]) -> list[Tensor]:
        """Replace the features at ``levels``.

        Raises:
            ValueError: If the features do not have ``in_channels``.
        """
        self.check_channels(features, self.in_channels)
        out = list(features)
        for level, attention in zip(self.levels, self.attentions, strict=True):
            out[level] = attention(self.skip(features, level))
        return out


@MODELS.register_module()
class CSAMSkip(SkipAttention):
    """Apply :class:`CSAM` to the skips; arguments as for :class:`SkipAttention` and CSAM."""

    layer = CSAM


@MODELS.register_module()
class HybridAttentionSkip(SkipAttention):
    """Apply :class:`HybridAttention` to the skips.

    The paper names a "multi-scale feature fusion strategy" in the skips and does not describe it.
    Decision: with ``multi_scale`` each skip adds the next finer and the next coarser feature before
    its attention, each mapped to the skip's channels by a 1x1 convolution and resized bilinearly.

    Args:
        in_channels: Channels of all the backbone's features, finest first.
        multi_scale: Whether to add the neighboring features to the skips.
        kwargs: Arguments of :class:`SkipAttention` and :class:`HybridAttention`.
    """

    layer = HybridAttention

    def __init__(self, in_channels: Sequence[int], *, multi_scale: bool = False, **kwargs: Any):
        super().__init__(in_channels, **kwargs)
        self.multi_scale = multi_scale
        if multi_scale:
            self.projections = nn.ModuleDict(
                {
                    f'{near}_to_{level}': nn.Conv2d(in_channels[near], in_channels[level], 1)
                    for level in self.levels
                    for near in self.neighbors(level)
                }
            )

    def neighbors(self, level: int) -> list[int]:
        """Return the indices of the next finer and the next coarser feature, where they exist."""
        return [near for near in (level - 1, level + 1) if 0 <= near < len(self.in_channels)]

    def skip(self, features: list[Tensor], level: int) -> Tensor:
        """Return the feature of a level plus, with ``multi_scale``, its mapped neighbors."""
        out = features[level]
        if not self.multi_scale:
            return out
        size = out.shape[2:]
        for near in self.neighbors(level):
            project = self.projections[f'{near}_to_{level}']
            # The two linear maps commute: the convolution is applied to the smaller map.
            if near < level:
                out = out + project(_resize(features[near], size))
            else:
                out = out + _resize(project(features[near]), size)
        return out


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=size, mode='bilinear', align_corners=False)
