import pytest
import torch

from mmseg_attn.models.backbones import ResUNetEncoder
from mmseg_attn.models.layers import ResidualBlock


@pytest.mark.parametrize('kernel_size', [1, 3])
def test_residual_stages_and_one_more_convolution_below(kernel_size):
    encoder = ResUNetEncoder(1, channels=(4, 8, 16), kernel_size=kernel_size)
    assert all(isinstance(stage, ResidualBlock) for stage in encoder.stages)
    kernels = {conv.conv.kernel_size for stage in encoder.stages for conv in stage.convs}
    assert kernels == {(kernel_size, kernel_size)} == {encoder.bottleneck.conv.kernel_size}
    x = torch.randn(2, 1, 12, 20)
    *skips, deepest = encoder(x)
    assert [f.shape[1:] for f in (*skips, deepest)] == [(4, 12, 20), (8, 6, 10), (16, 3, 5)]
    before = encoder.stages[2](encoder.pool(skips[1]))
    weight, bias = encoder.bottleneck.conv.weight, encoder.bottleneck.conv.bias
    expected = torch.nn.functional.conv2d(before, weight, bias, padding=kernel_size // 2).relu()
    torch.testing.assert_close(deepest, expected)


def test_with_1x1_kernels_a_pixel_sees_only_its_pooling_cell():
    encoder = ResUNetEncoder(1, channels=(4, 8, 16))
    x = torch.randn(1, 1, 8, 8)
    before = encoder(x)[-1]
    x[..., 5, 6] += 10
    changed = (encoder(x)[-1] != before).any(dim=1)[0]
    assert changed.nonzero().tolist() == [[1, 1]]
