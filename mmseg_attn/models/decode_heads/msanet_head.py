"""The decoder of MSANet (Guo et al., 2021), Table 2.

Decision where the paper is silent: normalization and ReLU follow every convolution but the last.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS

from .unpooling_head import UnpoolingHead


@MODELS.register_module()
class MSANetHead(UnpoolingHead):
    """Decode with blocks of 3x3, 1x1 and 3x3 convolutions and index unpooling between them.

    At the inner levels the unpooled map is concatenated with the output of the multi-level
    attention; at the finest level it is used alone. The last 3x3 convolution is the classifier.

    Args:
        in_channels: Channels of the encoder's levels, finest first.
        kwargs: Other arguments of :class:`UnpoolingHead`, except ``levels`` and ``skips``.
    """

    def __init__(self, in_channels: Sequence[int] = (64, 128, 256, 512), **kwargs: Any):
        levels = [[(2 * width, 3), (width, 1)] for width in in_channels]
        for level, finer in zip(levels[1:], in_channels, strict=False):
            level.append((finer, 3))
        super().__init__(in_channels, levels=levels, skips=range(1, len(in_channels) - 1), **kwargs)
