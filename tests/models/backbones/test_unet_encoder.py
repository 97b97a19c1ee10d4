import pytest
import torch

from mmseg_attn.models.backbones import UNetEncoder


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((32, 48), [(32, 48), (16, 24), (8, 12), (4, 6)]),
        ((33, 47), [(33, 47), (17, 24), (9, 12), (5, 6)]),
        ((1, 1), [(1, 1)] * 4),
    ],
)
def test_maps_are_finest_first_with_sizes_rounded_up(size, expected):
    encoder = UNetEncoder(1, channels=(4, 8, 16, 32))
    features = encoder(torch.randn(2, 1, *size))
    assert [f.shape for f in features] == [
        (2, c, *s) for c, s in zip(encoder.channels, expected, strict=True)
    ]


def test_a_block_per_stage():
    blocks = [dict(type='ConvBlock', num_convs=n) for n in (1, 2, 3)]
    encoder = UNetEncoder(channels=(2, 4, 8), block=blocks)
    assert [len(stage) for stage in encoder.stages] == [1, 2, 3]
    with pytest.raises(ValueError, match='3 configs for 2 levels'):
        UNetEncoder(channels=(2, 4), block=blocks)


def test_normalization_and_activation_reach_every_stage():
    encoder = UNetEncoder(channels=(2, 4), norm_cfg=dict(type='IN'), act_cfg=dict(type='LeakyReLU'))
    names = [type(m).__name__ for m in encoder.modules()]
    assert names.count('InstanceNorm2d') == names.count('LeakyReLU') == 4


def test_a_block_may_have_its_own_normalization():
    block = dict(type='ConvBlock', norm_cfg=dict(type='GN', num_groups=2))
    encoder = UNetEncoder(channels=(2, 4), block=[block, dict(type='ConvBlock')])
    names = [[type(m).__name__ for m in stage.modules()] for stage in encoder.stages]
    assert names[0].count('GroupNorm') == 2
    assert 'GroupNorm' not in names[1]


@pytest.mark.parametrize('channels', [1, 3])
def test_on_the_cpu_maps_are_channels_last_whatever_the_images_are(channels):
    encoder = UNetEncoder(channels, channels=(4, 8), norm_cfg=dict(type='BN')).double()
    images = torch.randn(2, channels, 6, 10, dtype=torch.float64)
    features = encoder(images)
    assert all(f.is_contiguous(memory_format=torch.channels_last) for f in features)
    usual = encoder.stages[0](images)
    assert usual.is_contiguous()
    torch.testing.assert_close(features[0], usual)
    torch.testing.assert_close(features[1], encoder.stages[1](encoder.pool(usual)))
