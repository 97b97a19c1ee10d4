"""SA-UNet as its configs build it."""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.models.layers import DropBlock, SpatialAttention
from tests.measures import count_parameters


@pytest.fixture
def config(root) -> Config:
    return Config.fromfile(root / 'configs/sa_unet/sa-unet_1xb8-1500e_drosophila-256x256.py')


@pytest.fixture
def model(config) -> nn.Module:
    return MODELS.build(config.model)


@pytest.mark.parametrize(('num_classes', 'parameters'), [(1, 537_299), (2, 537_316)])
def test_parameters(config, num_classes, parameters):
    config.model.backbone.in_channels = 3
    config.model.decode_head.num_classes = num_classes
    assert count_parameters(config.model) == parameters


def test_the_attention_sits_between_the_two_bottleneck_convolutions(model):
    """Told from what goes in and out while the network runs, not from its parts' names."""
    calls = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | SpatialAttention):
            module.register_forward_hook(lambda m, args, out: calls.append((m, args[0], out)))
    model.eval()(torch.randn(1, 1, 64, 48))
    calls = [c for c in calls if not (isinstance(c[0], nn.Conv2d) and c[0].kernel_size == (7, 7))]
    places = [i for i, (m, *_) in enumerate(calls) if isinstance(m, SpatialAttention)]
    assert places == [7]  # after 2 + 2 + 2 convolutions of the encoder and one of the bottleneck
    (before, _, convolved), (_, given, weighted), (after, taken, _), (up, *_) = calls[6:10]
    assert given.shape == (1, 128, 8, 6)  # three poolings
    assert (before.in_channels, before.out_channels) == (64, 128)
    assert (after.in_channels, after.out_channels) == (128, 128)
    assert isinstance(up, nn.ConvTranspose2d)
    norm = model.backbone.stages[3][2]
    torch.testing.assert_close(given, norm(convolved).relu())
    assert taken is weighted
    ratio = (weighted / given)[given.expand_as(weighted) > 0]
    assert 0 < ratio.min() < ratio.max() < 1


def test_drop_block_follows_every_convolution_of_the_stages(model):
    drops = [m for m in model.modules() if isinstance(m, DropBlock)]
    assert [(m.rate, m.block_size) for m in drops] == [(0.18, 7)] * 14


@pytest.mark.parametrize('shape', [(2, 1, 32, 32), (1, 1, 33, 47)])
def test_any_size_and_every_parameter_receives_a_gradient(model, shape):
    out = model(torch.randn(shape))
    assert out.shape == (shape[0], 5, *shape[2:])
    (out * torch.randn_like(out)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('size', [(1, 1), (15, 17)])
def test_images_smaller_than_the_deepest_stride(model, size):
    assert model.eval()(torch.randn(1, 1, *size)).shape == (1, 5, *size)
