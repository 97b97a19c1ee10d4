"""Upsample by two in the decoder, and match the size of the skip connection."""

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.compat.tracing import is_compiling
from mmseg_attn.ops import crop


@MODELS.register_module()
class TransposedUpsample(nn.Sequential):
    """Upsample by a transposed convolution, ``(N, Cin, H, W)`` to ``(N, Cout, 2H, 2W)``.

    ``kernel_size=3`` is that of SA-UNet: the center of the kernel is at pixel 2i, in Keras at 2i +
    1. The two networks are equal if images and kernels are mirrored.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernels in pixels; 2 is the U-Net's.
        norm_cfg: Normalization after the convolution, followed by ReLU; ``None`` means neither, as
            in the U-Net.
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
    """Compute PyTorch's transposed convolution as a matrix product, where this is faster.

    It takes a third of the time with 2x2 kernels, which do not overlap, in bfloat16 on the CPU.
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
    """Upsample by nearest-neighbor interpolation, 3x3 convolution, normalization and ReLU.

    As in the widely used implementation of R2U-Net, the convolution has a bias, also before a
    normalization.

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
    """Upsample by a 1x1 convolution and bilinear interpolation.

    The two operations commute; in this order the convolution needs a quarter of the operations.

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
    """Crop or resize an upsampled map to the height and width of its skip connection.

    Pooling rounds odd sizes up, so the upsampled map may be one pixel too large: then the last row
    or column is cropped. For any other difference (backbones whose stages do not halve the size)
    the map is interpolated.

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
