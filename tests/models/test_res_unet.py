"""The residual U-Net, which is a config: the U-Net and a shortcut per stage."""

from itertools import pairwise

import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.models.layers import ConvBlock, ResidualBlock


def test_is_the_unet_with_a_projected_shortcut_over_every_stage(root):
    cfg = Config.fromfile(root / 'configs/res_unet/res-unet_1xb10-500e_knee-mri-512x512.py')
    cfg.model.backbone.in_channels = 3
    with torch.device('meta'):
        model = MODELS.build(cfg.model)

    def count(kind: type[nn.Module]) -> int:
        return sum(isinstance(m, kind) for m in model.modules())

    assert (count(ResidualBlock), count(ConvBlock)) == (9, 0)
    unet = 31_037_698
    widths = [3, 64, 128, 256, 512, 1024]
    down = sum(a * b + 2 * b for a, b in pairwise(widths))
    up = sum(2 * c * c + 2 * c for c in widths[1:-1])
    assert sum(p.numel() for p in model.parameters()) == unet + down + up
