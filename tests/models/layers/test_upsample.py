import pytest
import torch
import torch.nn.functional as F

from mmseg_attn.models.layers import BilinearUpsample, TransposedUpsample, match_size


@pytest.mark.parametrize('layer', [TransposedUpsample, BilinearUpsample])
def test_doubles_the_size_and_sets_the_channels(layer):
    assert layer(6, 4)(torch.randn(2, 6, 5, 3)).shape == (2, 4, 10, 6)


def test_bilinear_then_convolution_is_the_same_as_convolution_then_bilinear():
    layer = BilinearUpsample(6, 4).double()
    x = torch.randn(1, 6, 5, 3, dtype=torch.float64)
    other_order = layer.conv(F.interpolate(x, scale_factor=2, mode='bilinear'))
    torch.testing.assert_close(layer(x), other_order)


def test_match_size_drops_the_surplus_row_and_column():
    x = torch.randn(1, 2, 6, 8)
    assert torch.equal(match_size(x, (5, 7)), x[:, :, :5, :7])
    assert torch.equal(match_size(x, (6, 8)), x)


@pytest.mark.parametrize('size', [(3, 4), (7, 8), (12, 16)])
def test_match_size_interpolates_any_other_difference(size):
    x = torch.full((1, 2, 6, 8), 3.0)
    assert torch.equal(match_size(x, size), torch.full((1, 2, *size), 3.0))


def test_transposed_convolution_keeps_the_mean_square():
    x = torch.randn(1, 256, 32, 32)
    assert 0.9 < TransposedUpsample(256, 128)(x).square().mean() < 1.1
