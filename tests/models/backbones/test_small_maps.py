"""Crops so small that the coarsest map is one pixel."""

import re

import pytest
import torch
from mmseg.registry import MODELS

ENCODERS = [
    dict(type='UNetEncoder', block=dict(type=block))
    for block in (
        'ConvBlock', 'ResidualBlock', 'RecurrentResidualBlock', 'StructuredDropoutBlock'
    )
]  # fmt: skip
ENCODERS += [dict(type=name) for name in ('ResUNetEncoder', 'MSANetEncoder', 'FRUNet')]


def encode(config: dict, norm: str | None, images: int, height: int, width: int, *, training=True):
    norm_cfg = norm and dict(type=norm)
    encoder = MODELS.build(dict(config, channels=(2, 4, 4, 4), norm_cfg=norm_cfg))
    return encoder.train(training)(torch.randn(images, 3, height, width))


@pytest.mark.parametrize('config', ENCODERS, ids=str)
@pytest.mark.parametrize('norm', ['BN', 'IN'])
def test_one_value_per_channel_cannot_be_normalized_in_training(config, norm):
    sentence = r'1 image\(s\) of 8x8 pixels is too small for .* Use larger crops or more '
    with pytest.raises(ValueError, match=sentence) as error:
        encode(config, norm, 1, 8, 8)
    assert re.match(r'Expected more than 1 .*torch\.Size\(\[1, \d, 1, 1\]\): ', str(error.value))


@pytest.mark.parametrize('config', ENCODERS, ids=str)
def test_otherwise_any_crop_will_do(config):
    encode(config, 'BN', 2, 8, 8)
    encode(config, 'BN', 1, 8, 16)
    encode(config, 'BN', 1, 8, 8, training=False)
    encode(config, None, 1, 8, 8)


@pytest.mark.parametrize('config', ENCODERS, ids=str)
def test_other_errors_stay_as_they_are(config):
    encoder = MODELS.build(dict(config, channels=(2, 4, 4, 4)))
    with pytest.raises(RuntimeError, match='to have 3 channels'):
        encoder(torch.randn(1, 1, 8, 8))
