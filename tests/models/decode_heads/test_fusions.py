"""``UNetHead`` with a fusion for each level: Attention U-Net and P-UNet."""

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_attn.models.decode_heads import UNetHead
from mmseg_attn.models.layers import GridAttentionGate

BN = dict(type='BN')
PLAIN = dict(type='Concatenation')
GRID = dict(type='GridAttentionGate')
ATTENDED = dict(type='ChannelAttentionConcatenation')
FUSIONS = dict(
    gate=dict(type='AttentionGate', norm_cfg=BN),
    grid=[PLAIN, GRID, GRID, GRID],
    p_unet=[PLAIN, PLAIN, ATTENDED, PLAIN],
)
WIDTHS = [4, 8, 16, 32, 64]


def unet(fusion: dict | list[dict]) -> nn.Module:
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='UNetEncoder', in_channels=1, channels=WIDTHS, norm_cfg=BN),
            decode_head=dict(
                type='UNetHead', in_channels=WIDTHS, num_classes=3, norm_cfg=BN, fusion=fusion
            ),
        )
    )


def pyramid(widths: list[int], size: tuple[int, int]) -> list[Tensor]:
    sizes = [[-(-side // 2**i) for side in size] for i in range(len(widths))]
    return [torch.randn(1, c, *s) for c, s in zip(widths, sizes, strict=True)]


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        # U-Net's, and the gates': widely used ones, the authors' ones, the channel attention's MLP
        ('attention_unet/attention-unet_1xb8-1500e_drosophila-256x256', 31_037_698 + 350_568),
        ('attention_unet/attention-unet-grid_1xb8-1500e_drosophila-256x256', 33_103_877),
        ('attention_unet/attention-unet-reference_1xb8-1500e_drosophila-256x256', 34_878_638),
        ('p_unet/p-unet_1xb8-300e_floodnet-512x512', 31_037_698 + 2 * 16 * 256),
    ],
)
def test_parameters_with_3_channels_and_2_classes(root, config, expected):
    model = Config.fromfile(root / f'configs/{config}.py').model
    model.backbone.in_channels = 3
    model.decode_head.num_classes = 2
    assert sum(p.numel() for p in MODELS.build(model).parameters()) == expected


@pytest.mark.parametrize('size', [(32, 32), (33, 47)])
@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('fusion', FUSIONS)
def test_any_size_and_every_parameter_learns(fusion, batch, size):
    model = unet(FUSIONS[fusion])
    images, labels = torch.randn(batch, 1, *size), torch.randint(0, 3, (batch, 1, *size))
    assert model(images).shape == (batch, 3, *size)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    model.parse_losses(model.loss(images, samples))[0].backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('fusion', FUSIONS)
@pytest.mark.parametrize('size', [(1, 1), (3, 2), (15, 17)])
def test_images_smaller_than_the_deepest_stride(fusion, size):
    assert unet(FUSIONS[fusion]).eval()(torch.randn(1, 1, *size)).shape == (1, 3, *size)


def test_the_grid_gates_get_the_coarser_feature_and_the_finest_skip_is_not_gated():
    head = UNetHead([2, 4, 8], num_classes=3, fusion=[PLAIN, GRID])
    fine, middle, deep = pyramid([2, 4, 8], (9, 7))
    up = head.upsamples[1](deep)[:, :, :5, :4]
    alpha = head.fusions[1].spatial_weights(middle, up, deep)
    x = head.blocks[1](torch.cat([middle * alpha, up], dim=1))
    up = head.upsamples[0](x)[:, :, :9, :7]
    x = head.blocks[0](torch.cat([fine, up], dim=1))
    torch.testing.assert_close(head((fine, middle, deep)), head.conv_seg(x))


def test_the_channel_attention_follows_the_second_upsampling():
    widths = [2, 4, 8, 16, 32]
    head = UNetHead(widths, num_classes=3, fusion=[PLAIN, PLAIN, ATTENDED, PLAIN])
    *skips, x = maps = pyramid(widths, (32, 32))
    for count, level in enumerate([3, 2, 1, 0], start=1):
        up = head.upsamples[level](x)
        if count == 2:
            assert up.shape[2:] == (8, 8)
            up = up * head.fusions[level].channel_weights(skips[level], up)
        x = head.blocks[level](torch.cat([skips[level], up], dim=1))
    torch.testing.assert_close(head(maps), head.conv_seg(x))


def test_a_fusion_may_be_given_as_a_class():
    head = UNetHead([2, 4, 8], num_classes=3, fusion=dict(type=GridAttentionGate))
    assert [f.w_g.in_channels for f in head.fusions] == [4, 8]


def test_a_fusion_for_every_level_or_one_for_all():
    with pytest.raises(ValueError, match='3 configs for 2 levels'):
        UNetHead([2, 4, 8], num_classes=3, fusion=[PLAIN] * 3)


@pytest.mark.parametrize('dilations', [(1, 1, 1, 1), (1, 1, 2, 4)])
def test_grid_gates_behind_resnet(dilations):
    strides = tuple(1 if d > 1 else s for d, s in zip(dilations, (1, 2, 2, 2), strict=True))
    backbone = dict(type='ResNet', depth=18, strides=strides, dilations=dilations, norm_cfg=BN)
    head = UNetHead([64, 128, 256, 512], num_classes=3, fusion=GRID)
    assert head(MODELS.build(backbone)(torch.randn(1, 3, 64, 96))).shape == (1, 3, 16, 24)
