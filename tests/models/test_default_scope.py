"""The parts build in a project of another default scope, if its config names the scope mmseg."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

CHANNELS = (4, 8)
HEAD = dict(in_channels=CHANNELS, num_classes=2, loss_decode=dict(type='mmseg.CrossEntropyLoss'))


@pytest.fixture(autouse=True)
def other_scope():
    with DefaultScope.overwrite_default_scope('mmengine'):
        yield


@pytest.mark.parametrize('name', ['UNetEncoder', 'ResUNetEncoder', 'MSANetEncoder'])
def test_backbones(name):
    channels = CHANNELS if name != 'MSANetEncoder' else (4, 8, 8, 8)
    encoder = MODELS.build(dict(type=f'mmseg.{name}', channels=channels))
    assert encoder(torch.zeros(2, 3, 32, 32))[0].shape[1] == 4


@pytest.mark.parametrize('name', ['UNetHead', 'LFAHead', 'NestedUNetHead', 'AveragingHead'])
def test_heads(name):
    head = MODELS.build(dict(type=f'mmseg.{name}', **HEAD))
    assert head.num_classes == 2
