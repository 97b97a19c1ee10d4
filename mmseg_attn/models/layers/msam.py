"""Multi-level spatial attention module (MSAM) of MSANet.

Paper: Guo et al., "Multi-level spatial attention network for image data segmentation" (IJES 14(3),
2021), Table 3 and equations 1 and 2. The levels are brought to the coarsest one's size by strided
convolutions and concatenated; four 1x1 convolutions of the result give A, B, C and D:

    s_ij = exp(A_i . B_j) / sum_i exp(A_i . B_j)
    E_j  = sum_i C_i s_ij + D_j

The weights of one output position j sum to one over i: B is the query, A the key, C the value, D a
projected residual, and nothing is scaled. (The text once multiplies by the transpose of S; equation
2 holds.) The N x N map S is never built.

Decisions:

- A level that is s times finer than the coarsest has kernel 3s, stride s and padding s, which is
  Table 3's 12x12, 6x6 and 3x3. The coarsest level gives half of the channels, each finer one half
  of what is left, the finest all that is left: Table 3's 64, 64, 128 and 64, 64.
- Normalization and activation follow the strided convolutions, not A to D.
- A has no bias: it would add the same number to all the scores of one j and cancel in the softmax.
- Without attention ("MSANet without attention") E = D: the term that A, B and C serve goes, and
  they are not built.
- Kernel 3s, stride s, padding s gives floor(size / s), the size after 2x2 pooling. Where an encoder
  rounds an odd size up instead (ResNet), the finer maps get zeros at the bottom and at the right.
"""

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.ops import attention_map, global_attention

from .conv_layer import ConvLayer
from .padding import pad_end


@MODELS.register_module()
class MSAM(nn.Module):
    """Fuse maps of several levels and let every position attend to all the others.

    Args:
        in_channels: Channels of the levels, finest first; each level is twice as fine as the next.
            The output has the channels of the last.
        attention: Whether there is an attention term, or the projection D alone.
        norm_cfg: Normalization after the strided convolutions; ``None`` means none.
        act_cfg: Activation after the strided convolutions; ``None`` means ReLU.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        attention: bool = True,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ):
        super().__init__()
        channels = in_channels[-1]
        self.strides = [2**steps for steps in reversed(range(len(in_channels)))]
        self.levels = nn.ModuleList(
            ConvLayer(
                level_channels,
                share,
                3 * stride,
                stride=stride,
                padding=stride,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg or dict(type='ReLU'),
            )
            for level_channels, share, stride in zip(
                in_channels, _shares(channels, len(in_channels)), self.strides, strict=True
            )
        )
        self.attention = attention
        if attention:
            self.key = nn.Conv2d(channels, channels, 1, bias=False)  # A
            self.query = nn.Conv2d(channels, channels, 1)  # B
            self.value = nn.Conv2d(channels, channels, 1)  # C
        self.project = nn.Conv2d(channels, channels, 1)  # D

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Fuse the levels, finest first, into a map of the last one's shape.

        Args:
            features: Maps ``(N, in_channels[i], Hi, Wi)``.

        Returns:
            ``(N, C, H, W)``, the shape of ``features[-1]``.

        Raises:
            ValueError: If the sizes of the levels do not follow each other by halves.
        """
        x = self._fused(features)
        out = self.project(x)
        if self.attention:
            out = global_attention(self.query(x), self.key(x), self.value(x)) + out
        return out

    def attention_map(self, features: Sequence[Tensor], *, point: tuple[int, int]) -> Tensor:
        """Compute where one position looks: the ``s_ij`` of a j.

        Args:
            features: What ``forward`` takes.
            point: Row and column of the position j in the coarsest level.

        Returns:
            ``(N, 1, H, W)``, which sums to one. The values' mean with these weights is the first
            term of ``E_j``.

        Raises:
            ValueError: If the position lies outside of the map, or there is no attention.
        """
        if not self.attention:
            raise ValueError('attention=False leaves the projection alone: no position looks')
        x = self._fused(features)
        return attention_map(self.query(x), self.key(x), point)

    def _fused(self, features: Sequence[Tensor]) -> Tensor:
        """Bring the levels to the last one's size and put them side by side."""
        size = features[-1].shape[2:]
        levels = [
            level(_fit(feature, stride, size))
            for level, feature, stride in zip(self.levels, features, self.strides, strict=True)
        ]
        return torch.cat(levels, dim=1)


def _shares(channels: int, levels: int) -> list[int]:
    """Split channels: half for the coarsest level (the last), then half of the rest, and so on."""
    shares: list[int] = []
    for _ in range(levels - 1):
        shares.insert(0, channels - channels // 2)
        channels //= 2
    return [channels, *shares]


def _fit(x: Tensor, stride: int, size: torch.Size) -> Tensor:
    """Pad a map at the bottom and right so that a level's convolution gives ``size``."""
    missing = [stride * goal - given for goal, given in zip(size, x.shape[2:], strict=True)]
    if any(abs(m) >= stride for m in missing):
        raise ValueError(
            f'MSAM expects a map {stride} times as large as {tuple(size)}, got '
            f'{tuple(x.shape[2:])}: give it levels that halve from one to the next'
        )
    return pad_end(x, *(torch.sym_max(m, 0) for m in missing))
