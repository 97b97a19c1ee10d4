"""Upsampling by two on the way up, and how its result meets the skip's size."""

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.compat.tracing import is_compiling
from mmseg_attn.ops import crop


@MODELS.register_module()
class TransposedUpsample(nn.Sequential):
    """Transposed convolution with stride 2: ``(N, Cin, H, W)`` to ``(N, Cout, 2H, 2W)``.

    With ``kernel_size=3`` it is SA-UNet's: a kernel's center falls on pixel 2i, where Keras puts it
    on 2i + 1. One network is the other with images and kernels mirrored.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernels in pixels; 2 is the U-Net's.
        norm_cfg: Normalization after the convolution, and then ReLU; ``None`` means neither, as in
            the U-Net.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 2,
        norm_cfg: dict | None = None,
    ):
        super().__init__(
            _ConvTranspose2d(
                in_channels,
                out_channels,
                kernel_size,
                stride=2,
                padding=(kernel_size - 1) // 2,
                output_padding=kernel_size % 2,
                bias=norm_cfg is None,
            )
        )
        if norm_cfg is not None:
            self.extend([build_norm_layer(norm_cfg, out_channels)[1], nn.ReLU(inplace=True)])


class _ConvTranspose2d(nn.ConvTranspose2d):
    """PyTorch's, but as the matrix product that it is, where that takes a third of the time.

    That is with 2x2 kernels, which do not overlap, in bfloat16 on the CPU.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        x, plain = input, self.kernel_size == (2, 2) and output_size is None
        if not plain or x.dtype != torch.bfloat16 or x.device.type != 'cpu' or is_compiling():
            # super() fails in PyTorch 2.1 when compiled
            return nn.ConvTranspose2d.forward(self, x, output_size)
        n, _, height, width = x.shape
        kernel = self.weight.permute(0, 2, 3, 1).flatten(1)  # (Cin, 2 * 2 * Cout)
        bias = None if self.bias is None else self.bias.repeat(4)
        out = F.linear(x.permute(0, 2, 3, 1), kernel.T, bias)
        out = out.view(n, height, width, 2, 2, -1).transpose(2, 3)  # (N, H, 2, W, 2, Cout)
        return out.reshape(n, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


@MODELS.register_module()
class NearestUpsample(nn.Sequential):
    """Nearest-neighbor interpolation by two, 3x3 convolution, normalization, ReLU.

    The upsampling of R2U-Net's widely used implementation: the convolution has a bias, before a
    normalization too.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        norm_cfg: Normalization; ``None`` means none.
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm_cfg: dict | None = None):
        super().__init__(
            nn.Upsample(scale_factor=2, mode='nearest'),
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        )
        if norm_cfg is not None:
            self.append(build_norm_layer(norm_cfg, out_channels)[1])
        self.append(nn.ReLU(inplace=True))


@MODELS.register_module()
class BilinearUpsample(nn.Module):
    """1x1 convolution, then bilinear interpolation by two.

    A 1x1 convolution and an interpolation commute; in this order the convolution costs a quarter.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, 2H, 2W)``."""
        return F.interpolate(self.conv(x), scale_factor=2, mode='bilinear', align_corners=False)


def match_size(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring an upsampled map to the height and width of its skip.

    Pooling rounds odd sizes up, so the upsampled map may be one pixel too large: the last row or
    column is dropped. Any other difference (backbones whose stages do not halve) is interpolated.

    Args:
        x: ``(N, C, H, W)``.
        size: Height and width of the skip.

    Returns:
        ``(N, C, *size)``.
    """
    surplus = x.shape[2] - size[0], x.shape[3] - size[1]
    if all(0 <= s <= 1 for s in surplus):
        return crop(x, size)
    return F.interpolate(x, size=size, mode='bilinear', align_corners=False)
