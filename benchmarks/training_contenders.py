"""Build the networks whose training steps are compared: ours, MMSegmentation's and MONAI's."""

import importlib.util
from collections.abc import Callable

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import networks

OURS = (
    'U-Net',
    'LFA-UNet',
    'Attention U-Net',
    'DA-UNet',
    'CSAM-ResUNet',
    'Hybrid-UNet',
    'MSANet',
)
MMSEG = 'MMSegmentation UNet + FCNHead'
BASIC, ATTENTION = 'MONAI BasicUNet', 'MONAI AttentionUnet'
NAMES = (*OURS, MMSEG, BASIC, ATTENTION)

Network = Callable[[Tensor], Tensor]  # images to logits


def left_out(name: str) -> str:
    """Return the reason why a network cannot run here; empty if it can."""
    if name.startswith('MONAI') and importlib.util.find_spec('monai') is None:
        return "left out: MONAI is not installed (pip install -e '.[benchmark]')"
    return ''


def build(name: str, base: int) -> tuple[nn.Module, Network]:
    """Build a network for training, for color images, with the same weights in every run.

    Args:
        name: One of ``NAMES``.
        base: Channels of the first stage; each deeper stage has twice as many.

    Returns:
        The module, and a function from images to logits.
    """
    torch.manual_seed(0)
    if name in OURS or name == MMSEG:
        cfg = networks.load(name, base).model if name in OURS else mmsegmentation(base)
        model = MODELS.build(cfg).train()
        return model, lambda images: model(images, mode='tensor')
    from monai.networks import nets

    widths = [base * 2**stage for stage in range(5)]
    common = dict(spatial_dims=2, in_channels=3, out_channels=networks.CLASSES)
    if name == BASIC:
        model = nets.BasicUNet(**common, features=(*widths, base))
    else:
        model = nets.AttentionUnet(**common, channels=widths, strides=(2,) * 4)
    return model.train(), model


def mmsegmentation(base: int) -> dict:
    """Return MMSegmentation's ``fcn_unet_s5-d16`` without auxiliary head, with BN for SyncBN."""
    norm_cfg = dict(type='BN')
    return dict(
        type='EncoderDecoder',
        backbone=dict(type='UNet', in_channels=3, base_channels=base, norm_cfg=norm_cfg),
        decode_head=dict(
            type='FCNHead',
            in_channels=base,
            in_index=4,
            channels=base,
            num_convs=1,
            concat_input=False,
            num_classes=networks.CLASSES,
            norm_cfg=norm_cfg,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        ),
        test_cfg=dict(mode='whole'),
    )


def flops(name: str, base: int, size: int, batch: int) -> int:
    """Count the FLOPs of a forward and a backward pass (a multiply-add is two); nothing runs."""
    with torch.device('meta'):
        _, network = build(name, base)
        images = torch.empty(batch, 3, size, size)
    counter = FlopCounterMode(display=False)
    with counter:
        network(images).sum().backward()
    return counter.get_total_flops()
