import warnings

import torch
from torch import nn

from mmseg_attn.models.backbones import ResUNetEncoder
from mmseg_attn.models.layers import ConvBlock


def test_weights_are_pytorchs_before_and_after_mmengine_initializes():
    """PyTorch draws from a uniform distribution within 1 / sqrt(fan_in)."""
    encoder = ResUNetEncoder(16, channels=(32, 64), kernel_size=3, norm_cfg=dict(type='BN'))
    for _ in range(2):
        for conv in (m for m in encoder.modules() if isinstance(m, nn.Conv2d)):
            bound = conv.weight[0].numel() ** -0.5
            assert 0.9 * bound < conv.weight.abs().max() <= bound
        encoder.init_weights()


def test_init_cfg_still_works():
    init_cfg = dict(type='Constant', layer='Conv2d', val=2.0)
    encoder = ResUNetEncoder(16, channels=(32, 64), init_cfg=init_cfg)
    encoder.init_weights()
    convs = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert all(torch.equal(c.weight, torch.full_like(c.weight, 2)) for c in convs)


def test_a_bias_that_is_asked_for_needs_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        block = ConvBlock(2, 2, bias=True, norm_cfg=dict(type='BN'))
    assert all(m.bias is not None for m in block.modules() if isinstance(m, nn.Conv2d))
