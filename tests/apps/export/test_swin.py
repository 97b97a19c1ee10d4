"""The replacements against MMSegmentation's own layers."""

import pytest
import torch
from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils.embed import AdaptivePadding

from mmseg_attn.apps.export.swin import IntegerPadding, ShiftedWindows


@pytest.mark.parametrize('shift', [0, 1, 2])
@pytest.mark.parametrize('size', [(8, 12), (2, 3), (9, 4), (4, 4), (1, 7)])
def test_windows(size, shift):
    layer = ShiftWindowMSA(6, 2, window_size=4, shift_size=shift).double().eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, size[0] * size[1], 6, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ShiftedWindows(layer)(x, size), layer(x, size))


@pytest.mark.parametrize('padding', ['corner', 'same'])
@pytest.mark.parametrize(
    'kernel',
    [dict(kernel_size=4, stride=4), dict(kernel_size=(3, 2), stride=(2, 1), dilation=(2, 3)),
     dict(kernel_size=(1, 2), stride=(3, 4))],
)  # fmt: skip
@pytest.mark.parametrize('size', [(1, 1), (8, 12), (7, 9), (6, 5)])
def test_padding(size, kernel, padding):
    layer, x = AdaptivePadding(padding=padding, **kernel), torch.randn(2, 3, *size)
    torch.testing.assert_close(IntegerPadding(layer)(x), layer(x))
