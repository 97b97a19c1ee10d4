"""Cut patches from a feature map of variable size, as Swin's patch merging does.

PyTorch exports ``nn.Unfold`` to ONNX with the patch positions of one fixed size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvPatches(nn.Unfold):
    """Replace ``nn.Unfold`` by a convolution whose filters have a single one."""

    @classmethod
    def of(cls, layer: nn.Unfold) -> 'ConvPatches':
        """Make the replacement of a layer."""
        return cls(layer.kernel_size, layer.dilation, layer.padding, layer.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Cut ``x``, ``(N, C, H, W)``, into patches: ``(N, C * kernel area, patches)``."""
        kernel, channels = self.kernel_size, x.shape[1]
        kernel = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
        one = torch.eye(math.prod(kernel), dtype=x.dtype, device=x.device)
        weight = one.reshape(-1, 1, *kernel).repeat(channels, 1, 1, 1)
        options = self.stride, self.padding, self.dilation
        return F.conv2d(x, weight, None, *options, groups=channels).flatten(2)
