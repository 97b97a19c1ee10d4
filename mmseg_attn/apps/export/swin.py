"""Replace layers of MMSegmentation's Swin Transformer, to export models of any size.

``ShiftWindowMSA`` computes its batch size and the borders of its mask from the size of the feature
map in floating point, and ``AdaptivePadding`` rounds in floating point. If the size is a variable,
PyTorch simplifies the nested expressions for many minutes. These layers use integers instead.
"""

import torch
import torch.nn.functional as F
from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils.embed import AdaptivePadding
from torch import Tensor, nn


class ShiftedWindows(nn.Module):
    """Compute ``ShiftWindowMSA`` without a cyclic shift.

    A window that the shift wraps around has two parts that do not attend to each other. Here, they
    are two windows at the two ends of the feature map. Positions outside the feature map have no
    weight, except for the zeros that pad it to whole windows, as in ``ShiftWindowMSA``.

    Args:
        layer: The layer to replace.
    """

    def __init__(self, layer: ShiftWindowMSA):
        super().__init__()
        self.attention = layer.w_msa
        self.window, self.shift = layer.window_size, layer.shift_size

    def forward(self, query: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """Attend inside the windows.

        Args:
            query: ``(N, H * W, C)``.
            hw_shape: H and W.

        Returns:
            ``(N, H * W, C)``.
        """
        m, channels = self.window, query.shape[2]
        start = -self.shift % m  # start of the feature map in the first window
        windows = [(side + m - 1) // m + 1 for side in hw_shape]  # 2 or more: 1 is a special case
        ends = [count * m - start - side for count, side in zip(windows, hw_shape, strict=True)]
        x = query.reshape(-1, *hw_shape, channels)
        x = F.pad(x, (0, 0, start, ends[1], start, ends[0]))
        x = x.reshape(-1, windows[0], m, windows[1], m, channels)
        x = self._attend(x.transpose(2, 3).flatten(3, 4), self._inside(windows, start, x.device))
        x = x.unflatten(3, (m, m)).transpose(2, 3)
        x = x.reshape(-1, windows[0] * m, windows[1] * m, channels)
        for dim, side in zip((1, 2), hw_shape, strict=True):
            x = x.index_select(dim, start + torch.arange(side, device=x.device))
        return x.reshape(-1, hw_shape[0] * hw_shape[1], channels)

    def _inside(self, windows: list[int], start: int, device: torch.device) -> Tensor:
        """Mark the tokens of the feature map and its padding: ``(rows, columns, m * m)``."""
        sides = []
        for count in windows:
            position = torch.arange(count * self.window, device=device) - start
            side = (position >= 0) & (position < (count - 1) * self.window)
            sides.append(side.reshape(-1, self.window))
        return (sides[0][:, None, :, None] & sides[1][:, None]).flatten(2)

    def _attend(self, x: Tensor, inside: Tensor) -> Tensor:
        """Attend inside the windows ``(N, rows, columns, m * m, C)``."""
        attention, tokens = self.attention, self.window**2
        qkv = attention.qkv(x).unflatten(-1, (3, attention.num_heads, -1))
        query, key, value = qkv.movedim(-2, -4).unbind(-2)  # (N, rows, columns, heads, m * m, d)
        bias = attention.relative_position_bias_table[attention.relative_position_index.flatten()]
        bias = bias.unflatten(0, (tokens, tokens)).permute(2, 0, 1)
        scores = (query * attention.scale) @ key.mT + bias
        lowest = torch.finfo(scores.dtype).min  # infinity would give NaN for a window outside
        weights = scores.masked_fill(~inside[:, :, None, None], lowest).softmax(dim=-1)
        return attention.proj((weights @ value).transpose(-2, -3).flatten(-2))


class IntegerPadding(nn.Module):
    """Compute ``AdaptivePadding`` with integers.

    Args:
        layer: The layer to replace.
    """

    def __init__(self, layer: AdaptivePadding):
        super().__init__()
        self.corner = layer.padding == 'corner'
        extents = [(k - 1) * d + 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
        self.steps = list(zip(extents, layer.stride, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Pad ``x``, ``(N, C, H, W)``, so that the kernel covers it completely."""
        padding: list[int] = []
        for side, (extent, stride) in zip(x.shape[2:], self.steps, strict=True):
            missing = (side + stride - 1) // stride * stride - stride + extent - side
            if extent < stride:
                missing = torch.sym_max(missing, 0)
            before = 0 if self.corner else missing // 2
            padding = [before, missing - before, *padding]
        return F.pad(x, padding)
