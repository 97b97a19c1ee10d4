import pytest
import torch
import torch.nn.functional as F

from mmseg_attn.models.layers import ResidualBlock
from tests.measures import value_and_gradients


@pytest.mark.parametrize(('in_channels', 'kernel_size'), [(3, 1), (3, 3), (4, 1)])
def test_is_two_convolutions_plus_the_shortcut_then_relu(in_channels, kernel_size):
    block = ResidualBlock(in_channels, 4, kernel_size=kernel_size).double()
    x = torch.randn(2, in_channels, 5, 6, dtype=torch.float64, requires_grad=True)
    h, pad = x, kernel_size // 2
    first, second = (module.conv for module in block.convs)
    h = F.conv2d(h, first.weight, first.bias, padding=pad).clamp(min=0)
    h = F.conv2d(h, second.weight, second.bias, padding=pad)
    if in_channels == 4:
        shortcut = x
    else:
        conv = block.shortcut.conv
        weight = conv.weight[:, :, 0, 0]
        shortcut = torch.einsum('oc,nchw->nohw', weight, x) + conv.bias[:, None, None]
    wrt = [x, *block.parameters()]
    expected = value_and_gradients((h + shortcut).clamp(min=0), wrt)
    torch.testing.assert_close(value_and_gradients(block(x), wrt), expected)


def test_normalization_reaches_the_shortcut_too():
    block = ResidualBlock(3, 4, norm_cfg=dict(type='BN'))
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in block.modules()) == 3
