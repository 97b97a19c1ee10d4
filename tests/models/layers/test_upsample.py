import pytest
import torch
import torch.nn.functional as F

from mmseg_attn.models.layers import (
    BilinearUpsample,
    NearestUpsample,
    TransposedUpsample,
    match_size,
)


@pytest.mark.parametrize('layer', [TransposedUpsample, NearestUpsample, BilinearUpsample])
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
    assert match_size(x, (6, 8)) is x  # a slice of all is an operator, and another one backward


@pytest.mark.parametrize('size', [(3, 4), (7, 8), (12, 16)])
def test_match_size_interpolates_any_other_difference(size):
    x = torch.full((1, 2, 6, 8), 3.0)
    assert torch.equal(match_size(x, size), torch.full((1, 2, *size), 3.0))


def test_transposed_convolution_with_normalization():
    layer = TransposedUpsample(6, 4, norm_cfg=dict(type='BN')).double()
    x = torch.randn(2, 6, 5, 3, dtype=torch.float64)
    expected = F.conv_transpose2d(x, layer[0].weight, stride=2)
    mean = expected.mean(dim=(0, 2, 3), keepdim=True)
    variance = expected.var(dim=(0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(layer(x), ((expected - mean) / (variance + 1e-5).sqrt()).relu())
    assert layer[0].bias is None


def test_three_pixel_kernels_are_the_mirror_image_of_keras_same_padding():
    """Keras' ``same`` cuts the last row and column of the full result."""
    layer = TransposedUpsample(6, 4, kernel_size=3).double()
    x = torch.randn(2, 6, 5, 3, dtype=torch.float64)
    keras = F.conv_transpose2d(x, layer[0].weight.flip(2, 3), layer[0].bias, stride=2)
    mirrored = layer(x.flip(2, 3)).flip(2, 3)
    torch.testing.assert_close(mirrored, keras[:, :, :10, :6])


@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')])
def test_nearest_neighbors_then_convolution(norm_cfg):
    layer = NearestUpsample(6, 4, norm_cfg=norm_cfg).double()
    x = torch.randn(2, 6, 5, 3, dtype=torch.float64)
    repeated = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = F.conv2d(repeated, layer[1].weight, layer[1].bias, padding=1)
    if norm_cfg:
        mean = expected.mean(dim=(0, 2, 3), keepdim=True)
        variance = expected.var(dim=(0, 2, 3), keepdim=True, correction=0)
        expected = (expected - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(layer(x), expected.relu())


@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_in_bfloat16_the_cpu_computes_the_same(layout, norm_cfg):
    layer = TransposedUpsample(6, 4, norm_cfg=norm_cfg).to(memory_format=layout)
    x = torch.randn(2, 6, 3, 5).bfloat16().to(memory_format=layout)
    gradient, found = torch.randn(2, 4, 6, 10).bfloat16(), []
    for given in (x.float(), x):
        with torch.autocast('cpu', torch.bfloat16, enabled=given is x):
            out = layer[0](given.requires_grad_())
        assert out.dtype == given.dtype
        inputs = [given, *layer[0].parameters()]
        found.append((out, *torch.autograd.grad(out, inputs, gradient.to(out.dtype))))
    for exact, rounded in zip(*found, strict=True):
        assert rounded.shape == exact.shape
        torch.testing.assert_close(rounded.float(), exact, rtol=0.02, atol=0.05)
    assert next(iter(layer.state_dict())) == '0.weight'
