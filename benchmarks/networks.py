"""Load the project's networks from their configs, at any base width."""

import warnings
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

import mmseg_attn  # noqa: F401  registers the parts

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
NETWORKS = {  # beginnings of the configs' names; the dataset of a config does not matter
    'U-Net': 'unet/unet_',
    'Attention U-Net': 'attention_unet/attention-unet_',
    'LFA-UNet': 'lfa_unet/lfa-unet_',
    'DA-UNet': 'da_unet/da-unet_',
    'CSAM-ResUNet': 'csam_resunet/csam-resunet_',
    'Hybrid-UNet': 'hybrid_unet/hybrid-unet_',
    'MSANet': 'msanet/msanet_',
    'P-UNet': 'p_unet/p-unet_',
    'U-Net + self-attention': 'unet_self_attention/unet-self-attention_',
    'R2U-Net': 'r2u_net/r2u-net_',
    'SA-UNet': 'sa_unet/sa-unet_',
    'residual U-Net': 'res_unet/res-unet_',
    'U-Net++': 'unet_plus_plus/unet-plus-plus_',
    'FR-UNet': 'fr_unet/fr-unet_',
    'SegNet': 'segnet/segnet_',
}
CLASSES = 10

warnings.filterwarnings('ignore', module='mmseg')  # about deprecated names
init_default_scope('mmseg')


def config_file(name: str, dataset: str = '') -> Path:
    """Find a config of a network."""
    return min(CONFIGS.glob(f'{NETWORKS[name]}*{dataset}.py'))


def load(name: str, width: int | None = None) -> Config:
    """Load a network's config, for color images and ten classes.

    Args:
        name: One of ``NETWORKS``.
        width: Channels of the first stage, to which the others are scaled; ``None`` keeps those of
            the config.
    """
    cfg = Config.fromfile(config_file(name))
    model = cfg.model
    if width:
        scale(model, width)
    model.data_preprocessor = dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size_divisor=1
    )
    model.backbone.in_channels = 3
    model.decode_head.num_classes = CLASSES
    model.test_cfg = dict(mode='whole')
    return cfg


def scale(model: dict, width: int) -> None:
    """Scale the channels of all stages so that the first one has ``width``."""
    base = model['backbone']['channels'][0]
    for part in ('backbone', 'neck', 'decode_head'):
        for key, value in model.get(part, {}).items():
            # a single number is the channels of the image, except in a neck
            if key in ('channels', 'in_channels') and (isinstance(value, list) or part == 'neck'):
                model[part][key] = _scaled(value, width, base)
            elif key == 'levels':  # channels and kernel size of each convolution
                model[part][key] = [
                    [(_scaled(channels, width, base), side) for channels, side in level]
                    for level in value
                ]


def _scaled(value: Any, width: int, base: int) -> Any:
    if isinstance(value, list):
        return [_scaled(item, width, base) for item in value]
    return value * width // base


def build(cfg: Config, device: str) -> nn.Module:
    """Build a network for inference, with random weights, the same in every run."""
    torch.manual_seed(0)
    return MODELS.build(cfg.model).to(device).eval()


def batch(size: tuple[int, int], number: int = 1) -> dict[str, list]:
    """Return a batch of random images like a data loader."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (number, 3, *size), generator=random, dtype=torch.uint8)
    meta = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), size)
    return dict(inputs=list(images), data_samples=[SegDataSample(metainfo=meta) for _ in images])
