"""The models of the configs in few channels and levels, with weights that make logits differ."""

from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.apps.export import PixelsToLogits

WIDTHS = [4, 8, 16]
PADDED = (64, 64)  # what 512 x 512 becomes
SPECIAL = dict(  # where the channels are not a list of levels
    ASPPHead=dict(channels=8, in_channels=4, in_index=1),
    AveragingHead=dict(in_channels=WIDTHS[:1] * 3),
    DepthwiseSeparableASPPHead=dict(
        channels=8, in_channels=4, in_index=1, c1_in_channels=2, c1_channels=2
    ),
    DilatedVGG16=dict(channels=[4, 4, 8, 8, 8]),
    FCNHead=dict(channels=8, in_channels=4, in_index=1),
    FRUNet=dict(channels=WIDTHS),
    LargeFOVHead=dict(in_channels=8, channels=8),
    MSANetEncoder=dict(channels=WIDTHS),
    MSANetHead=dict(in_channels=WIDTHS),
    MSAMNeck=dict(in_channels=WIDTHS),
    PSPHead=dict(channels=8, in_channels=4, in_index=1, pool_scales=(1, 3)),
    ResNetV1c=dict(
        depth=18,
        base_channels=2,
        stem_channels=4,
        num_stages=2,
        strides=(1, 2),
        dilations=(1, 2),
        out_indices=(0, 1),
    ),
    UnpoolingHead=dict(levels=[[(4, 3)], [(8, 3), (4, 3)], []], in_channels=[4, 8, 8]),
)


def small_model(path: Path, *, every: int = 2) -> PixelsToLogits:
    """Build the model of a config small, and calibrate its normalizations on noise.

    Args:
        path: the config.
        every: one of so many levels is kept.
    """
    cfg = Config.fromfile(path)
    model, loader = cfg.model, cfg.test_dataloader.dataset.pipeline[0]
    in_channels = model.backbone.get('in_channels', 3)
    model.pop('auxiliary_head', None)
    model.data_preprocessor = shrunk_padding(model.get('data_preprocessor', cfg.data_preprocessor))
    for part in ('backbone', 'neck', 'decode_head'):
        if part in model:
            shrink(model[part], every)
    if model.decode_head.type == 'UnpoolingHead':  # SegNet: the last stage has no convolution
        conv = dict(type='ConvBlock', num_convs=1)
        model.backbone.update(channels=[4, 8, 8], block=[conv, conv, dict(conv, num_convs=0)])
    built = MODELS.build(model)
    calibrate(built, in_channels)
    color_type = loader.get('color_type', 'color')
    return PixelsToLogits(built, in_channels=in_channels, color_type=color_type)


def shrink(part: ConfigDict, every: int) -> None:
    """Keep some of the levels, in few channels."""
    for key in ('channels', 'in_channels'):
        if isinstance(part.get(key), list | tuple):
            part[key] = WIDTHS[: len(part[key][::every])]
    for key in ('block', 'fusion'):
        if isinstance(part.get(key), list):
            part[key] = part[key][::every]
    if part.type == 'DABottleneck':
        part.channels = WIDTHS[len(range(0, 5, every)) - 1]
    part.pop('init_cfg', None)
    part.update(SPECIAL.get(part.type, {}))


def shrunk_padding(preprocessor: ConfigDict) -> ConfigDict:
    if preprocessor.get('size'):
        preprocessor.update(size=PADDED, test_cfg=dict(size=PADDED))
    return preprocessor


def calibrate(model: nn.Module, in_channels: int) -> None:
    """Let normalizations fit their weights, and the logits be about 1."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.momentum = None  # the mean over all it has seen
    noise = torch.randn(4, in_channels, 64, 64)
    with torch.no_grad():
        model.train()(noise)
        deviation = model.eval()(noise).std()
        for name, parameter in model.decode_head.named_parameters():
            if name.startswith('conv_seg'):
                parameter /= deviation
