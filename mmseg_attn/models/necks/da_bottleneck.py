"""Neck of DA-UNet: a DA block on one of the backbone's features."""

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_attn.models.layers import DABlock

from .feature_neck import FeatureNeck


@MODELS.register_module()
class DABottleneck(FeatureNeck):
    """Apply self-attention to the deepest feature, or to another one.

    The paper places the block on "the deepest connection", which may be the bottleneck (the
    default) or the deepest skip (``level=-2``).

    Args:
        channels: Channels of this feature.
        level: Index of this feature among the backbone's features, finest first.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
        kwargs: Arguments of :class:`DABlock`.
    """

    def __init__(
        self,
        channels: int,
        *,
        level: int = -1,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ):
        super().__init__(init_cfg)
        self.channels = channels
        self.level = level
        self.attention = DABlock(channels, **kwargs)

    def exchange(self, features: list[Tensor]) -> list[Tensor]:
        """Replace the feature at ``level``.

        Raises:
            ValueError: If there is no such level or its channels are not ``channels``.
        """
        if not -len(features) <= self.level < len(features):
            raise ValueError(
                f'DABottleneck has level={self.level}, but the backbone returns {len(features)} '
                'features: set level to the index of one of them'
            )
        channels = features[self.level].shape[1]
        if channels != self.channels:
            raise ValueError(
                f'DABottleneck has channels={self.channels}, but the feature at level={self.level} '
                f'has {channels}: set channels={channels}'
            )
        features[self.level] = self.attention(features[self.level])
        return features
