"""Neck of MSANet: two multi-level spatial attention modules between encoder and decoder."""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_attn.models.layers import MSAM

from .feature_neck import FeatureNeck


@MODELS.register_module()
class MSAMNeck(FeatureNeck):
    """Replace the second and the third feature by fused maps (Table 3).

    The two-level module computes the second feature from the first two, the three-level module the
    third from the first three. In MSANet these are strides 2 and 4; with another backbone they are
    its second and third stage, each half the size of the previous one.

    Args:
        in_channels: Channels of all the backbone's features, finest first, three or more.
        attention: Whether to use attention; false is the paper's "MSANet without attention".
        norm_cfg: Normalization after the strided convolutions; ``None`` means none.
        act_cfg: Activation after the strided convolutions; ``None`` means ReLU.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.

    Raises:
        ValueError: If ``in_channels`` has fewer than three entries.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        *,
        attention: bool = True,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        if len(in_channels) < 3:
            raise ValueError(
                f'MSAMNeck fuses the three finest features, got in_channels={list(in_channels)}: '
                'let the backbone return three or more'
            )
        self.in_channels = tuple(in_channels)
        options: dict[str, Any] = dict(attention=attention, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.two_level = MSAM(self.in_channels[:2], **options)
        self.three_level = MSAM(self.in_channels[:3], **options)

    def exchange(self, features: list[Tensor]) -> list[Tensor]:
        """Replace the second and the third feature.

        Raises:
            ValueError: If the features do not have ``in_channels``.
        """
        self.check_channels(features, self.in_channels)
        finest, _, _, *deeper = features
        return [finest, self.two_level(features[:2]), self.three_level(features[:3]), *deeper]
