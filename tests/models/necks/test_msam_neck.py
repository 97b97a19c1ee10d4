import pytest
import torch

from mmseg_attn.models.necks import MSAMNeck


def pyramid(channels, height, width, **options):
    return tuple(
        torch.randn(2, c, height >> i, width >> i, **options) for i, c in enumerate(channels)
    )


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('size', [(224, 224), (250, 250), (115, 201), (512, 1024)], ids=str)
def test_shapes_of_table_3(size, attention):
    with torch.device('meta'):
        neck = MSAMNeck(attention=attention, norm_cfg=dict(type='BN'))
        features = pyramid((64, 128, 256, 512), *size)
        out = neck(features)
    assert [x.shape for x in out] == [x.shape for x in features]
    assert [new is old for new, old in zip(out, features, strict=True)] == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize('size', [(224, 224), (250, 250), (117, 203)], ids=str)
def test_fuses_the_finest_levels(size):
    channels = (2, 4, 8, 16)
    neck = MSAMNeck(channels)
    features = pyramid(channels, *size)
    indices = torch.arange(4)
    with torch.no_grad():
        out = neck((*features, indices))
        assert torch.equal(out[1], neck.two_level(features[:2]))
        assert torch.equal(out[2], neck.three_level(features[:3]))
    assert out[0] is features[0]
    assert out[3] is features[3]
    assert out[4] is indices


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')])
def test_every_parameter_receives_a_gradient(attention, norm_cfg):
    channels = (4, 8, 16)
    neck = MSAMNeck(channels, attention=attention, norm_cfg=norm_cfg)
    out = neck(pyramid(channels, 25, 29))
    sum((x * torch.randn_like(x)).sum() for x in out).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 1e-6 for p in neck.parameters())


def test_options_reach_both_modules():
    neck = MSAMNeck(attention=False, norm_cfg=dict(type='BN'), act_cfg=dict(type='Tanh'))
    assert not neck.two_level.attention
    assert not neck.three_level.attention
    levels = [*neck.two_level.levels, *neck.three_level.levels]
    assert len(levels) == 5
    assert all(isinstance(level.norm, torch.nn.BatchNorm2d) for level in levels)
    assert all(isinstance(level.activate, torch.nn.Tanh) for level in levels)


def test_refuses_two_features():
    with pytest.raises(ValueError, match=r'three finest features, got in_channels=\[64, 128\]'):
        MSAMNeck((64, 128))


def test_refuses_other_channels():
    with pytest.raises(ValueError, match=r'set in_channels=\[4, 8, 16\]'):
        MSAMNeck((4, 8, 16, 32))(pyramid((4, 8, 16), 16, 16))
