"""Table 2 of the paper, and unpooling by the encoder's indices."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.models.backbones import MSANetEncoder
from mmseg_attn.models.decode_heads import MSANetHead
from mmseg_attn.models.necks import MSAMNeck

BN = dict(type='BN')


def test_table_2():
    head = MSANetHead(num_classes=21, norm_cfg=BN)
    convs = [
        [
            (m.in_channels, m.out_channels, m.kernel_size[0])
            for m in block.modules()
            if isinstance(m, nn.Conv2d)
        ]
        for block in reversed(head.blocks)
    ]
    assert convs == [
        [(512, 1024, 3), (1024, 512, 1), (512, 256, 3)],
        [(512, 512, 3), (512, 256, 1), (256, 128, 3)],
        [(256, 256, 3), (256, 128, 1), (128, 64, 3)],
        [(64, 128, 3), (128, 64, 1)],
    ]
    last = head.conv_seg
    assert (last.in_channels, last.out_channels, last.kernel_size) == (64, 21, (3, 3))


def msanet(channels=(2, 4, 8, 16), **kwargs) -> tuple[MSANetEncoder, MSAMNeck, MSANetHead]:
    return (
        MSANetEncoder(channels=channels, norm_cfg=BN),
        MSAMNeck(channels, norm_cfg=BN, **kwargs),
        MSANetHead(channels, num_classes=3, norm_cfg=BN),
    )


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('size', [(32, 32), (37, 50), (8, 8)])
def test_the_whole_network_on_any_size_and_every_parameter_learns(size, attention):
    encoder, neck, head = parts = msanet(attention=attention)
    logits = head(neck(encoder(torch.randn(2, 3, *size))))
    assert logits.shape == (2, 3, *size)
    logits.square().sum().backward()
    for part in parts:
        assert [n for n, p in part.named_parameters() if p.grad is None] == []


def test_unpooling_puts_values_where_the_maxima_were():
    head = MSANetHead((2, 4), num_classes=3)
    fine, deep = torch.randn(1, 2, 6, 6), torch.randn(1, 4, 3, 3)
    _, index = nn.functional.max_pool2d(fine, 2, return_indices=True)
    seen = []
    head.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    head((fine, deep, index))
    unpooled = torch.zeros(1, 2, 36).scatter(2, index.flatten(2), head.blocks[1](deep).flatten(2))
    torch.testing.assert_close(seen[0], unpooled.unflatten(2, (6, 6)))


def test_both_inner_levels_stand_beside_the_unpooled_map():
    encoder, neck, head = msanet()
    outputs = list(neck(encoder(torch.randn(2, 3, 16, 16))))
    before = head.eval()(outputs)
    for level, matters in enumerate([False, True, True, True]):
        changed = list(outputs)
        changed[level] = changed[level] + 1
        assert torch.equal(head(changed), before) is not matters


def test_is_registered():
    for name in ('MSANetEncoder', 'MSAMNeck', 'MSANetHead', 'ResUNetEncoder'):
        assert name in MODELS


def test_missing_indices_are_named():
    head = MSANetHead((2, 4), num_classes=3)
    with pytest.raises(
        ValueError, match='MSANetHead needs the pooling indices of 1 of the 2 features, but got 0'
    ):
        head((torch.randn(1, 2, 6, 6), torch.randn(1, 4, 3, 3)))
