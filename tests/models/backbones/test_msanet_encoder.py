"""Table 1 of the paper."""

import pytest
import torch

from mmseg_attn.models.backbones import MSANetEncoder, UNetEncoder


def test_table_1():
    with torch.device('meta'):
        outputs = MSANetEncoder()(torch.empty(1, 3, 224, 224))
    shapes = [tuple(x.shape[1:]) for x in outputs]
    assert shapes[:4] == [(64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28)]
    assert shapes[4:] == [(64, 112, 112), (128, 56, 56), (256, 28, 28)]


def test_blocks_of_three_3x3_convolutions():
    encoder = MSANetEncoder(norm_cfg=dict(type='BN'))
    assert [[c.conv.kernel_size for c in stage] for stage in encoder.stages] == [[(3, 3)] * 3] * 4
    assert all(c.with_norm and c.with_activation for stage in encoder.stages for c in stage)


@pytest.mark.parametrize(('size', 'expected'), [(250, [250, 125, 62, 31]), (37, [37, 18, 9, 4])])
def test_odd_sizes_are_rounded_down(size, expected):
    encoder = MSANetEncoder(channels=(2, 2, 2, 2))
    assert [x.shape[-1] for x in encoder(torch.randn(1, 3, size, size))[:4]] == expected


@pytest.mark.parametrize('encoder', [MSANetEncoder, UNetEncoder])
def test_indices_are_where_the_maxima_were(encoder):
    options = {} if encoder is MSANetEncoder else dict(return_indices=True)
    outputs = encoder(1, channels=(2, 3, 4), **options)(torch.randn(1, 1, 9, 12))
    features, indices = outputs[:3], outputs[3:]
    assert len(indices) == 2
    for feature, index in zip(features, indices, strict=False):
        picked = feature.flatten(2).gather(2, index.flatten(2))
        cells = torch.nn.functional.max_pool2d(feature, 2, ceil_mode=encoder is UNetEncoder)
        assert torch.equal(picked, cells.flatten(2))


def test_the_fourth_pool_is_3x3_with_stride_1():
    encoder = MSANetEncoder(1, channels=(2, 2, 2, 2))
    x = torch.randn(1, 1, 32, 32)
    *_, third = UNetEncoder.forward(encoder, x)[:3]
    fourth = encoder.stages[3](encoder.pool(third)[0])
    window = fourth[0, :, 0:3, 1:4].amax(dim=(1, 2))
    assert torch.equal(encoder(x)[3][0, :, 1, 2], window)
