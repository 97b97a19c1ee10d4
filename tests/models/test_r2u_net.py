"""R2U-Net as its configs build it."""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from tests.measures import count_parameters


@pytest.fixture
def config(root) -> Config:
    return Config.fromfile(root / 'configs/r2u_net/r2u-net_1xb8-1500e_drosophila-256x256.py')


@pytest.fixture
def small(config) -> torch.nn.Module:
    widths = [4, 6, 8, 10, 12]
    config.model.backbone.channels = config.model.decode_head.in_channels = widths
    return MODELS.build(config.model)


@pytest.mark.parametrize('t', [1, 2, 3])
def test_parameters(config, t):
    config.model.backbone.update(in_channels=3, block=dict(type='RecurrentResidualBlock', t=t))
    config.model.decode_head.update(num_classes=2, block=dict(type='RecurrentResidualBlock', t=t))
    assert count_parameters(config.model) == 39_091_458


def test_the_paper_s_two_time_steps_at_every_level(small):
    steps = [m.t for m in small.modules() if type(m).__name__ == 'RecurrentConv']
    assert steps == [2] * 2 * 9


@pytest.mark.parametrize('shape', [(2, 1, 32, 32), (1, 1, 33, 47)])
def test_any_size_and_every_parameter_receives_a_gradient(small, shape):
    out = small(torch.randn(shape))
    assert out.shape == (shape[0], 5, *shape[2:])
    (out * torch.randn_like(out)).sum().backward()
    assert [name for name, p in small.named_parameters() if p.grad is None] == []
    # A bias before batch normalization has the gradient 0, but for rounding.
    still = {name for name, p in small.named_parameters() if not p.grad.any()}
    assert all(name.endswith('bias') for name in still)


@pytest.mark.parametrize('size', [(1, 1), (15, 17)])
def test_images_smaller_than_the_deepest_stride(small, size):
    assert small.eval()(torch.randn(1, 1, *size)).shape == (1, 5, *size)
