"""Both heads, alone, behind other backbones and in the whole network."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

BN = dict(type='BN')
WIDTHS = [4, 8, 16, 32]


def segmentor(backbone: dict, head: dict) -> nn.Module:
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=backbone,
            decode_head=dict(head, loss_decode=dict(type='SoftmaxFocalLoss')),
            test_cfg=ConfigDict(mode='whole'),
        )
    )


def unet(head: str = 'UNetHead', widths=WIDTHS, in_channels=3, num_classes=3, **kwargs):
    return segmentor(
        dict(type='UNetEncoder', in_channels=in_channels, channels=widths, norm_cfg=BN),
        dict(type=head, in_channels=widths, num_classes=num_classes, norm_cfg=BN, **kwargs),
    )


def samples(n: int, size: tuple[int, int]) -> list[SegDataSample]:
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
    label = torch.randint(0, 3, (n, 1, *size))
    return [SegDataSample(gt_sem_seg=PixelData(data=x), metainfo=meta) for x in label]


def backward(model: nn.Module, images: Tensor) -> Tensor:
    losses = model.loss(images, samples(len(images), tuple(images.shape[2:])))
    loss, _ = model.parse_losses(losses)
    loss.backward()
    return loss


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_the_classic_unet_has_31037698_parameters():
    assert parameters(unet(widths=[64, 128, 256, 512, 1024], num_classes=2)) == 31_037_698


def test_lfa_unet_has_half_the_decoder_inputs_and_three_maps_per_level():
    widths = [64, 128, 256, 512, 1024]
    fewer = sum(9 * c * c for c in widths[:-1])  # the first convolution of a level
    more = sum(3 * c * c + c for c in widths[:-1])  # query, key, value; normalization for a bias
    assert parameters(unet('LFAHead', widths, num_classes=2)) == 31_037_698 - fewer + more


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead'])
@pytest.mark.parametrize('upsample', [None, 'TransposedUpsample', 'BilinearUpsample'])
@pytest.mark.parametrize('size', [(32, 32), (33, 47)])
def test_any_size_and_every_parameter_learns(head, upsample, size):
    model = unet(head, in_channels=1, upsample=upsample and dict(type=upsample))
    images = torch.randn(2, 1, *size)
    assert model(images).shape == (2, 3, *size)
    assert torch.isfinite(backward(model, images))
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead'])
@pytest.mark.parametrize('size', [(1, 1), (3, 2), (15, 17)])
def test_images_smaller_than_the_deepest_stride(head, size):
    assert unet(head).eval()(torch.randn(1, 3, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead'])
@pytest.mark.parametrize('dilations', [(1, 1, 1, 1), (1, 1, 2, 4)])
def test_behind_resnet(head, dilations):
    strides = tuple(1 if d > 1 else s for d, s in zip(dilations, (1, 2, 2, 2), strict=True))
    model = segmentor(
        dict(type='ResNet', depth=18, strides=strides, dilations=dilations, norm_cfg=BN),
        dict(type=head, in_channels=[64, 128, 256, 512], num_classes=3, norm_cfg=BN),
    )
    images = torch.randn(2, 3, 64, 96)
    assert model(images).shape == (2, 3, 16, 24)  # ResNet's finest stride is 4
    backward(model, images)
    assert model.predict(images, samples(2, (64, 96)))[0].seg_logits.data.shape == (3, 64, 96)


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead'])
def test_behind_mmsegs_own_unet(head):
    """Its maps come deepest first: ``in_index`` turns them around."""
    backbone = dict(
        type='UNet',
        base_channels=4,
        num_stages=4,
        strides=(1,) * 4,
        enc_num_convs=(2,) * 4,
        dec_num_convs=(2,) * 3,
        downsamples=(True,) * 3,
        enc_dilations=(1,) * 4,
        dec_dilations=(1,) * 3,
    )
    model = segmentor(
        backbone,
        dict(type=head, in_channels=WIDTHS, in_index=[3, 2, 1, 0], num_classes=3, norm_cfg=BN),
    )
    images = torch.randn(2, 3, 32, 48)
    assert model(images).shape == (2, 3, 32, 48)
    backward(model, images)


def test_further_entries_of_the_tuple_are_left_alone():
    head = unet().decode_head.eval()
    maps = [torch.randn(1, c, 16 // 2**i, 16 // 2**i) for i, c in enumerate(WIDTHS)]
    indices = torch.zeros(1, dtype=torch.long)
    assert torch.equal(head([*maps, indices]), head(maps))


def test_the_decoder_is_upsample_fuse_convolve_from_the_deepest():
    head = unet('UNetHead', widths=[2, 4, 8]).decode_head.eval()
    fine, middle, deep = (
        torch.randn(1, c, s, s) for c, s in zip((2, 4, 8), (8, 4, 2), strict=True)
    )
    x = head.blocks[1](torch.cat([middle, head.upsamples[1](deep)], dim=1))
    x = head.blocks[0](torch.cat([fine, head.upsamples[0](x)], dim=1))
    torch.testing.assert_close(head((fine, middle, deep)), head.conv_seg(x))


def test_lfa_options_reach_every_level():
    options = dict(window_size=5, residual='none', query_from='decoder', backend='reference')
    for fusion in unet('LFAHead', **options).decode_head.fusions:
        assert {name: getattr(fusion, name) for name in options} == options


def test_deep_supervision_adds_the_losses_of_coarser_levels_with_halving_weights():
    torch.manual_seed(0)
    model = unet(deep_supervision=2)
    maps = [torch.randn(2, c, 16 // 2**i, 16 // 2**i) for i, c in enumerate(WIDTHS)]
    decoded: list[Tensor] = []  # coarsest first
    for block in model.decode_head.blocks:
        block.register_forward_hook(lambda module, args, output: decoded.append(output))
    ground_truth = samples(2, (32, 32))
    losses = model.decode_head.loss(maps, ground_truth, ConfigDict())
    labels = torch.stack([sample.gt_sem_seg.data for sample in ground_truth])
    classifiers = [model.decode_head.conv_seg, *model.decode_head.level_classifiers]
    expected = {}
    for level, (classify, x) in enumerate(zip(classifiers, reversed(decoded), strict=True)):
        logits = nn.functional.interpolate(classify(x), size=(32, 32), mode='bilinear')
        p = logits.softmax(1).gather(1, labels)
        name = 'loss_focal' + (f'_level{level}' if level else '')
        expected[name] = (-((1 - p) ** 2) * p.log()).mean() * [1, 1 / 2, 1 / 4][level]
    assert set(losses) == {'acc_seg', *expected}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead'])
def test_deep_supervision_leaves_the_prediction_alone_and_every_parameter_learns(head):
    model, plain = unet(head, deep_supervision=2), unet(head)
    extra = plain.load_state_dict(model.state_dict(), strict=False).unexpected_keys
    assert all(key.startswith('decode_head.level_classifiers') for key in extra)
    assert len(extra) == 4
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(model.eval()(images), plain.eval()(images))
    backward(model.train(), torch.randn(2, 3, 32, 32))
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('levels', [-1, 3])
def test_deep_supervision_of_levels_that_do_not_exist_is_refused(levels):
    with pytest.raises(ValueError, match='has 2 coarser levels: set a number from 0 to 2'):
        unet(deep_supervision=levels)


def test_one_map_is_refused():
    with pytest.raises(ValueError, match='at least two maps'):
        unet(widths=[8])


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead'])
def test_the_classifier_starts_as_pytorch_initializes_it(head):
    decode_head = unet(head).decode_head
    decode_head.init_weights()
    bound = WIDTHS[0] ** -0.5
    assert 0.5 * bound < decode_head.conv_seg.weight.abs().max() <= bound
