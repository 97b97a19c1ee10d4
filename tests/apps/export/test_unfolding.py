import pytest
import torch
from torch import nn

from mmseg_attn.apps.export.unfolding import ConvPatches


@pytest.mark.parametrize(
    'options', [dict(kernel_size=2, stride=2), dict(kernel_size=(3, 2), padding=1, dilation=(1, 2))]
)
def test_patches_are_those_of_unfold(options):
    layer, x = nn.Unfold(**options), torch.randn(2, 3, 8, 7)
    torch.testing.assert_close(ConvPatches.of(layer)(x), layer(x), rtol=0, atol=0)
