"""Multi-level spatial attention module (MSAM) of MSANet.

Paper: Guo et al., "Multi-level spatial attention network for image data segmentation" (IJES 14(3),
2021), Table 3 and equations 1 and 2. Strided convolutions bring the levels to the size of the
coarsest one; they are concatenated, and four 1x1 convolutions of the result give A, B, C and D:

    s_ij = exp(A_i . B_j) / sum_i exp(A_i . B_j)
    E_j  = sum_i C_i s_ij + D_j

The weights of one output position j sum to one over i: B is the query, A the key, C the value, D a
projected residual, and nothing is scaled. (The text once multiplies by the transpose of S;
this follows equation 2.) If N is large, the N x N map S is not built as a whole.

Decisions:

- A level that is s times finer than the coarsest has kernel 3s, stride s and padding s, which is
  Table 3's 12x12, 6x6 and 3x3. The coarsest level gets half of the channels, each finer one half
  of the remaining ones, the finest all remaining ones: Table 3's 64, 64, 128 and 64, 64.
- Normalization and activation follow the strided convolutions, not A to D.
- A has no bias: it would add the same number to all the scores of one j and cancel in the softmax.
- Without attention ("MSANet without attention") E = D; A, B and C are not built.
- Kernel 3s, stride s, padding s gives floor(size / s), the size after 2x2 pooling. If an encoder
  rounds odd sizes up (ResNet), the finer maps are padded with zeros at the bottom and the right.
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
        attention: Whether to add the attention term to the projection D.
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
                width,
                3 * stride,
                stride=stride,
                padding=stride,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg or dict(type='ReLU'),
            )
            for level_channels, width, stride in zip(
                in_channels, _widths(channels, len(in_channels)), self.strides, strict=True
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
            ValueError: If the sizes of the levels do not halve from one to the next.
        """
        x = self._fused(features)
        out = self.project(x)
        if self.attention:
            out = global_attention(self.query(x), self.key(x), self.value(x)) + out
        return out

    def attention_map(self, features: Sequence[Tensor], *, point: tuple[int, int]) -> Tensor:
        """Compute the attention weights ``s_ij`` of one position j.

        Args:
            features: Maps ``(N, in_channels[i], Hi, Wi)``, as for ``forward``.
            point: Row and column of the position j in the coarsest level.

        Returns:
            Weights ``(N, 1, H, W)``, which sum to one. The mean of the values with these weights is
            the first term of ``E_j``.

        Raises:
            ValueError: If the position is outside the map, or there is no attention.
        """
        if not self.attention:
            raise ValueError('attention=False uses only the projection: there is no attention map')
        x = self._fused(features)
        return attention_map(self.query(x), self.key(x), point)

    def _fused(self, features: Sequence[Tensor]) -> Tensor:
        """Bring the levels to the size of the last one and concatenate them."""
        size = features[-1].shape[2:]
        levels = [
            level(_fit(feature, stride, size))
            for level, feature, stride in zip(self.levels, features, self.strides, strict=True)
        ]
        return torch.cat(levels, dim=1)


def _widths(channels: int, levels: int) -> list[int]:
    """Split channels: half for the coarsest level (the last), then half of the rest, and so on."""
    widths: list[int] = []
    for _ in range(levels - 1):
        widths.insert(0, channels - channels // 2)
        channels //= 2
    return [channels, *widths]


def _fit(x: Tensor, stride: int, size: torch.Size) -> Tensor:
    """Pad a map at the bottom and right so that a level's convolution gives ``size``."""
    missing = [stride * goal - side for goal, side in zip(size, x.shape[2:], strict=True)]
    if any(abs(m) >= stride for m in missing):
        raise ValueError(
            f'MSAM expects a map {stride} times as large as {tuple(size)}, got '
            f'{tuple(x.shape[2:])}: use levels whose size halves from one to the next'
        )
    return pad_end(x, *(torch.sym_max(m, 0) for m in missing))
