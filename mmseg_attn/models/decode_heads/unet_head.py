"""The expanding path of the U-Net (Ronneberger et al., 2015) as a decode head."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_attn.models.layers import Concatenation, TransposedUpsample, match_size, per_level


@MODELS.register_module()
class UNetHead(BaseDecodeHead):
    """Upsample, fuse with the skip and convolve at every level; then classify each pixel.

    It works with any backbone. It expects the feature maps finest first; if the backbone returns
    the deepest one first, reverse the order with ``in_index``. The logits have the size of the
    finest map.

    Args:
        in_channels: Channels of the maps, finest first.
        fusion: Config of the skip fusion, or one config per level, finest first; ``None`` means
            ``Concatenation``. It is built with ``channels``, has ``out_channels`` and is
            called with the skip and the upsampled feature. A class with ``takes_coarse = True`` is
            also built with ``coarse_channels`` and called with a third map, the coarser feature
            before it is upsampled.
        upsample: Config of the upsampling, built with ``in_channels`` and ``out_channels``;
            ``None`` means ``TransposedUpsample``.
        block: Config of the convolutions of a level, or one config per level, finest first, built
            like the encoder's; ``None`` means ``ConvBlock``.
        deep_supervision: Number of coarser levels that have a classifier and a loss of their own,
            for training alone, as in nnU-Net (Isensee et al., Nature Methods 2021). The loss of a
            level counts half as much as that of the next finer one.
        in_index: Indices of the backbone's maps to use; ``None`` means the first ones in order.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        dropout_ratio: Probability with which a channel is dropped before the classifier.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's, in the classifier too,
            where MMSegmentation's heads start with nearly equal logits.
        kwargs: ``num_classes``, ``loss_decode``, ``ignore_index`` and other arguments of
            MMSegmentation's ``BaseDecodeHead``.

    Raises:
        ValueError: If there are fewer than two maps, the number of fusions or blocks differs from
            the number of levels, or there are fewer coarser levels than ``deep_supervision``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        fusion: dict | Sequence[dict] | None = None,
        upsample: dict | None = None,
        block: dict | Sequence[dict] | None = None,
        deep_supervision: int = 0,
        in_index: Sequence[int] | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        dropout_ratio: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ):
        if len(in_channels) < 2:
            raise ValueError(f'UNetHead needs at least two maps, got in_channels={in_channels}')
        levels = len(in_channels) - 1
        if not 0 <= deep_supervision < levels:
            raise ValueError(
                f'deep_supervision={deep_supervision}, but the decoder of {len(in_channels)} maps '
                f'has {levels - 1} coarser levels: set a number from 0 to {levels - 1}'
            )
        super().__init__(
            in_channels,
            in_channels[0],
            in_index=tuple(in_index or range(len(in_channels))),
            input_transform='multiple_select',
            norm_cfg=norm_cfg,
            act_cfg=act_cfg or dict(type='ReLU'),
            dropout_ratio=dropout_ratio,
            init_cfg=init_cfg,
            **kwargs,
        )
        fusions = per_level(fusion or dict(type=Concatenation), levels)
        upsample = upsample or dict(type=TransposedUpsample)
        common = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.upsamples, self.fusions, self.blocks = (nn.ModuleList() for _ in range(3))
        for level, cfg in enumerate(per_level(block, levels)):
            width, deeper = in_channels[level : level + 2]
            self.upsamples.append(
                MODELS.build(dict(upsample, in_channels=deeper, out_channels=width))
            )
            self.fusions.append(_build_fusion(fusions[level], width, deeper))
            fused = self.fusions[level].out_channels
            self.blocks.append(
                MODELS.build({**common, **cfg, 'in_channels': fused, 'out_channels': width})
            )
        self.level_classifiers = nn.ModuleList(
            nn.Conv2d(width, self.out_channels, 1)
            for width in in_channels[1 : 1 + deep_supervision]
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the logits.

        Args:
            inputs: The backbone's or neck's maps.

        Returns:
            Logits ``(N, out_channels, H, W)`` at the size of the finest map.
        """
        return self.cls_seg(self._decode(inputs)[0])

    def loss(
        self,
        inputs: Sequence[Tensor],
        batch_data_samples: list[SegDataSample],
        train_cfg: ConfigDict,
    ) -> dict[str, Tensor]:
        """Compute the losses, with those of the coarser levels that ``deep_supervision`` adds.

        Args:
            inputs: The backbone's or neck's maps.
            batch_data_samples: Samples with the ground truth.
            train_cfg: Not used.

        Returns:
            The losses and the accuracy of the finest level, and ``<loss>_level<k>``, the loss of
            level k divided by 2^k. All are computed at the size of the ground truth.
        """
        finest, *coarser = self._decode(inputs)
        losses = self.loss_by_feat(self.cls_seg(finest), batch_data_samples)
        for level, (classify, x) in enumerate(zip(self.level_classifiers, coarser, strict=True), 1):
            for name, value in self.loss_by_feat(classify(x), batch_data_samples).items():
                if 'loss' in name:
                    losses[f'{name}_level{level}'] = value / 2**level
        return losses

    def _decode(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Compute the maps to classify, finest first."""
        *skips, x = self._transform_inputs(inputs)
        maps: list[Tensor] = []
        for level in reversed(range(len(skips))):
            skip, fusion = skips[level], self.fusions[level]
            up = match_size(self.upsamples[level](x), skip.shape[2:])
            x = fusion(skip, up, x) if _takes_coarse(fusion) else fusion(skip, up)
            x = self.blocks[level](x)
            if level <= len(self.level_classifiers):
                maps.insert(0, x)
        return maps


def _takes_coarse(fusion: nn.Module | type[nn.Module] | None) -> bool:
    return getattr(fusion, 'takes_coarse', False)


def _build_fusion(cfg: dict, channels: int, coarse_channels: int) -> nn.Module:
    kind = cfg['type']
    if _takes_coarse(MODELS.get(kind) if isinstance(kind, str) else kind):
        cfg = dict(cfg, coarse_channels=coarse_channels)
    return MODELS.build(dict(cfg, channels=channels))
