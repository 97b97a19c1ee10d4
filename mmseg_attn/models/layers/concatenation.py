"""Skip fusion of the U-Net (Ronneberger et al., 2015): concatenation."""

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class Concatenation(nn.Module):
    """Concatenate ``[skip, up]`` along the channels.

    A skip fusion takes the skip and the upsampled decoder feature, both ``(N, C, H, W)``; its
    attribute ``out_channels`` is the number of channels of its output.

    Args:
        channels: Channels C of each input.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = 2 * channels

    def forward(self, skip: Tensor, up: Tensor) -> Tensor:
        """Concatenate two maps ``(N, C, H, W)`` to ``(N, 2C, H, W)``."""
        return torch.cat([skip, up], dim=1)  # (N, 2C, H, W)
