"""Unpooling against plain arithmetic, and SegNet, which is this head behind ``UNetEncoder``."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_attn.models.backbones import UNetEncoder
from mmseg_attn.models.decode_heads import UnpoolingHead
from mmseg_attn.models.decode_heads.unpooling_head import unpool
from tests.measures import Operators, value_and_gradients

BN = dict(type='BN')


def put_back(values: Tensor, feature: Tensor) -> Tensor:
    """Each value of a half-size map at the place of the maximum of its 2x2 cell, zeros around."""
    out = values.new_zeros(*values.shape[:2], *feature.shape[2:])
    for n, c, i, j in torch.cartesian_prod(*(torch.arange(s) for s in values.shape)).tolist():
        cell = feature[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        row, column = divmod(int(cell.argmax()), cell.shape[1])
        out[n, c, 2 * i + row, 2 * j + column] = values[n, c, i, j]
    return out


@pytest.mark.parametrize('size', [(8, 12), (7, 9)])
@pytest.mark.parametrize('skips', [(), (1,)])
def test_values_go_where_the_maxima_were(size, skips):
    encoder = UNetEncoder(1, channels=(2, 3, 4), return_indices=True).double()
    head = UnpoolingHead(
        (2, 3, 4), levels=[[(2, 1)], [(3, 3), (2, 3)], [(3, 3)]], skips=skips, num_classes=2
    ).double()
    *maps, first, second = encoder(torch.randn(2, 1, *size, dtype=torch.float64))
    fine, middle, deep = (x.detach().requires_grad_() for x in maps)

    def conv(x: Tensor, layer: nn.Module) -> Tensor:
        return F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)

    x = conv(deep, head.blocks[2][0].conv).relu()
    x = put_back(x, maps[1])
    x = torch.cat([x, middle], dim=1) if skips else x
    x = conv(conv(x, head.blocks[1][0].conv).relu(), head.blocks[1][1].conv).relu()
    x = conv(put_back(x, maps[0]), head.blocks[0][0].conv).relu()
    expected = conv(x, head.conv_seg)

    wrt = [deep, *head.parameters()] + [middle] * len(skips)
    actual = head((fine, middle, deep, first, second))
    torch.testing.assert_close(
        value_and_gradients(actual, wrt), value_and_gradients(expected, wrt), rtol=1e-9, atol=1e-12
    )


def test_a_level_for_every_map():
    with pytest.raises(ValueError, match=r'one entry per feature map \(2\), but has 1: list'):
        UnpoolingHead((2, 4), levels=[[(2, 3)]], num_classes=2)


def test_missing_indices_are_named():
    head = UnpoolingHead((2, 4), levels=[[], [(2, 3)]], num_classes=2)
    with pytest.raises(
        ValueError,
        match='UnpoolingHead needs the pooling indices of 1 of the 2 features, but got 0',
    ):
        head((torch.randn(1, 2, 6, 6), torch.randn(1, 4, 3, 3)))


@pytest.fixture
def config(root) -> dict:
    path = root / 'configs/segnet/segnet_1xb16-100e_cityscapes-512x1024.py'
    model = Config.fromfile(path).model
    model.decode_head.num_classes = 2
    return model


def convolutions(*parts: nn.Module) -> list[tuple[int, int]]:
    convs = [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d)]
    assert {conv.kernel_size for conv in convs} == {(3, 3)}
    return [(conv.in_channels, conv.out_channels) for conv in convs]


def test_segnet_mirrors_the_13_convolutions_of_vgg16(config):
    with torch.device('meta'):
        segnet = MODELS.build(config)
    head = segnet.decode_head
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    encoder = convolutions(segnet.backbone)
    assert encoder == list(pairwise(widths))
    assert convolutions(*reversed(head.blocks)) == [(b, a) for a, b in reversed(encoder[1:])]
    assert convolutions(head.conv_seg) == [(64, 2)]


def test_segnet_has_29436226_parameters(config):
    """29.44 M, as with biases before the normalization, which would be 29,444,162."""
    with torch.device('meta'):
        assert sum(p.numel() for p in MODELS.build(config).parameters()) == 29_436_226


def small(config: dict) -> nn.Module:
    config.backbone.channels = config.decode_head.in_channels = [2, 4, 4, 8, 8, 8]
    widths = {64: 2, 128: 4, 256: 4, 512: 8}
    config.decode_head.levels = [[(widths[c], k) for c, k in x] for x in config.decode_head.levels]
    return MODELS.build(config)


@pytest.mark.parametrize(('batch', 'size'), [(2, (64, 96)), (2, (45, 67)), (1, (64, 64))])
def test_segnet_on_any_size_and_every_parameter_learns(config, batch, size):
    segnet = small(config)
    logits = segnet(torch.randn(batch, 3, *size))
    assert logits.shape == (batch, 2, *size)
    logits.square().sum().backward()
    assert [n for n, p in segnet.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_segnet_halves_five_times_and_has_no_skips(config):
    segnet = small(config).eval()
    outputs = list(segnet.backbone(torch.randn(1, 3, 64, 96)))
    assert outputs[5].shape[2:] == (2, 3)
    assert torch.equal(outputs[5], F.max_pool2d(outputs[4], 2))
    before = segnet.decode_head(outputs)
    for level, matters in enumerate([False] * 5 + [True]):
        changed = list(outputs)
        changed[level] = changed[level] + 1
        assert torch.equal(segnet.decode_head(changed), before) is not matters


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('size', [(8, 12), (7, 9), (3, 2)])
def test_unpooling_in_every_type_and_layout(size, layout, dtype):
    """Value by value, and back: the gradient of a value is the one at its place."""
    feature = torch.randn(2, 3, *size, dtype=torch.float64)
    _, indices = F.max_pool2d(feature, 2, ceil_mode=True, return_indices=True)
    x = torch.randn(indices.shape).to(dtype).to(memory_format=layout).requires_grad_()
    indices = indices.to(memory_format=layout)
    out = unpool(x, indices, feature.shape[2:])
    assert torch.equal(out, put_back(x.detach(), feature))
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=layout)
    upstream = torch.randn(out.shape).to(dtype)
    (gradient,) = torch.autograd.grad(out, x, upstream)
    expected = upstream.flatten(2).gather(2, indices.flatten(2)).view(x.shape)
    assert torch.equal(gradient, expected)


def test_autocast_meets_no_operator_without_bfloat16():
    """PyTorch's ``max_unpool2d`` has none on CUDA before 2.5."""
    encoder = UNetEncoder(1, channels=(2, 4), return_indices=True)
    head = UnpoolingHead((2, 4), levels=[[(2, 3)], [(2, 3)]], num_classes=2)
    with torch.autocast('cpu', torch.bfloat16):
        maps = encoder(torch.randn(1, 1, 8, 8))
        with Operators() as forward:
            out = head(maps)
    assert forward.made['new_zeros'] == 2 * 8 * 8  # the map, in the type of its values
    with Operators() as backward:
        out.float().sum().backward()
    assert not any('unpool' in name for name in [*forward.calls, *backward.calls])


def test_indices_of_another_map_are_named():
    x, indices = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 3, 4, dtype=torch.long)
    with pytest.raises(ValueError, match=r'got indices \(1, 2, 3, 4\) for a map \(1, 2, 4, 4\)'):
        unpool(x, indices, (6, 8))
