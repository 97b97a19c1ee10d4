"""The nested dense decoder of U-Net++.

Paper: Zhou et al., "UNet++: A Nested U-Net Architecture for Medical Image Segmentation" (arXiv
1807.10165, 2018), equation 1. X[i, 0] is the encoder's map of level i, and for j > 0

    X[i, j] = H([X[i, 0], ..., X[i, j - 1], up(X[i + 1, j - 1])])

Deep supervision: each of X[0, 1], ..., X[0, L] has a 1x1 classifier and a loss of its own. At test
time their outputs are averaged ("accurate mode").

Decisions:

- The upsampling is bilinear and has no weights, as in the widely used PyTorch implementation; the
  paper does not specify it. That implementation aligns corners, which shifts the map against its
  skip by half a pixel at the borders; here ``align_corners`` is the base class's argument, false by
  default.
- The parameters of that implementation (9,163,362 at base 32, three channels and two classes;
  9,163,560 with the four classifiers) include a bias in every convolution. Batch normalization
  cancels it; set ``block=dict(type='ConvBlock', bias=True)`` in encoder and head to add it. Without
  biases, the two numbers are 9,159,714 and 9,159,912.
- The loss is the mean of the classifiers' losses, so that its scale does not depend on their
  number. At test time logits are averaged; the paper averages after the sigmoid.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_attn.models.layers import ConvBlock, match_size

from .averaging_head import AveragingHead


@MODELS.register_module()
class NestedUNetHead(AveragingHead):
    """Decode by U-Net decoders of every depth that share nodes; logits have the finest map's size.

    Args:
        in_channels: Channels of the maps, finest first.
        deep_supervision: Whether to classify every node of the finest level, or only the last one.
        block: Config of the nodes, built with ``in_channels``, ``out_channels`` and, unless it sets
            them, ``norm_cfg`` and ``act_cfg``; ``None`` means ``ConvBlock``.
        norm_cfg: Normalization; ``None`` means none.
        act_cfg: Activation; ``None`` means ReLU.
        kwargs: Other arguments of :class:`AveragingHead`.

    Raises:
        ValueError: If there are fewer than two maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        deep_supervision: bool = True,
        block: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        **kwargs: Any,
    ):
        if len(in_channels) < 2:
            raise ValueError(
                f'NestedUNetHead needs at least two maps, got in_channels={in_channels}'
            )
        super().__init__(
            in_channels, norm_cfg=norm_cfg, act_cfg=act_cfg or dict(type='ReLU'), **kwargs
        )
        depth = len(in_channels) - 1
        common = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        block = block or dict(type=ConvBlock)
        self.columns = nn.ModuleList()  # columns[j - 1][i] computes X[i, j]
        for j in range(1, depth + 1):
            nodes = [
                {
                    **common,
                    **block,
                    'in_channels': j * in_channels[i] + in_channels[i + 1],
                    'out_channels': in_channels[i],
                }
                for i in range(depth + 1 - j)
            ]
            self.columns.append(nn.ModuleList(map(MODELS.build, nodes)))
        self.conv_seg = self.classifiers(depth if deep_supervision else 1)

    def maps(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Compute all nodes and return those to classify, from the finest level."""
        rows = [[x] for x in self._transform_inputs(inputs)]  # rows[i][j] is X[i, j]
        column: Any  # a ModuleList
        for j, column in enumerate(self.columns, start=1):
            for i, node in enumerate(column):
                up = F.interpolate(
                    rows[i + 1][j - 1],
                    scale_factor=2,
                    mode='bilinear',
                    align_corners=self.align_corners,
                )
                up = match_size(up, rows[i][0].shape[2:])
                rows[i].append(node(torch.cat([*rows[i], up], dim=1)))
        return rows[0][-len(self.conv_seg) :]

    def loss(
        self,
        inputs: Sequence[Tensor],
        batch_data_samples: list[SegDataSample],
        train_cfg: ConfigDict,
    ) -> dict[str, Tensor]:
        """Compute the losses of every classifier.

        Args:
            inputs: The backbone's or neck's maps.
            batch_data_samples: Samples with the ground truth.
            train_cfg: Not used.

        Returns:
            Each loss, and the accuracy, as the mean over the classifiers.
        """
        losses = [self.loss_by_feat(x, batch_data_samples) for x in self.all_logits(inputs)]
        return {
            name: torch.stack([values[name] for values in losses]).mean(0) for name in losses[0]
        }
