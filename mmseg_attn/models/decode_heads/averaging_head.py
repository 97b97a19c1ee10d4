"""Average the logits of one classifier per feature map, as in FR-UNet (Liu et al., 2022)."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class AveragingHead(BaseDecodeHead):
    """Classify each feature map by a 1x1 convolution and average the logits, also in training.

    All maps have the same size and number of channels.

    Args:
        in_channels: Channels of the maps.
        in_index: Indices of the backbone's maps to use; ``None`` means the first ones in order.
        dropout_ratio: Probability with which a channel is dropped before the classifiers.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
        kwargs: ``num_classes``, ``loss_decode``, ``ignore_index`` and other arguments of
            MMSegmentation's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        in_index: Sequence[int] | None = None,
        dropout_ratio: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            in_channels,
            in_channels[0],
            in_index=tuple(in_index or range(len(in_channels))),
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.conv_seg = self.classifiers(len(in_channels))

    def classifiers(self, count: int) -> nn.ModuleList:
        """Build the classifiers, 1x1 convolutions."""
        return nn.ModuleList(nn.Conv2d(self.channels, self.out_channels, 1) for _ in range(count))

    def maps(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps to classify, one per classifier."""
        return self._transform_inputs(inputs)

    def all_logits(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits of every classifier, each ``(N, out_channels, H, W)``."""
        maps = self.maps(inputs)
        if self.dropout is not None:
            maps = [self.dropout(x) for x in maps]
        return [classify(x) for classify, x in zip(self.conv_seg, maps, strict=True)]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the logits.

        Args:
            inputs: The backbone's or neck's maps.

        Returns:
            The mean of the logits, ``(N, out_channels, H, W)``.
        """
        first, *others = self.all_logits(inputs)
        return sum(others, first) / (1 + len(others))
