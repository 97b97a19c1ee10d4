"""Recurrent residual block against its recursion, unrolled by hand."""

import pytest
import torch
from torch import nn

from mmseg_attn.models.layers import RecurrentResidualBlock
from tests.measures import value_and_gradients

BN = dict(type='BN')


def recurrent(x, f, t):
    """h_0 = f(x), h_k = f(x + h_{k-1})"""
    states = [f(x)]
    while len(states) < t + 1:
        states.append(f(x + states[-1]))
    return states[-1]


def conv_norm_relu(x, weight, bias, gain, shift):
    _, _, height, width = x.shape
    padded = nn.functional.pad(x, [1] * 4)
    y = bias[:, None, None] + sum(
        torch.einsum(
            'oc,nchw->nohw', weight[:, :, i, j], padded[:, :, i : i + height, j : j + width]
        )
        for i in range(3)
        for j in range(3)
    )
    mean = y.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((y - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    y = (y - mean) / (variance + 1e-5).sqrt()
    return (y * gain[:, None, None] + shift[:, None, None]).clamp(min=0)


def recurrent_residual(x, parameters, t):
    weight, bias, *rest = parameters
    x = torch.einsum('oc,nchw->nohw', weight[:, :, 0, 0], x) + bias[:, None, None]
    y = recurrent(x, lambda z: conv_norm_relu(z, *rest[:4]), t)
    return x + recurrent(y, lambda z: conv_norm_relu(z, *rest[4:]), t)


@pytest.mark.parametrize('t', [0, 1, 2, 3])
def test_equation(t):
    block = RecurrentResidualBlock(3, 4, t=t, norm_cfg=BN).double()
    x = torch.randn(2, 3, 5, 6, dtype=torch.double, requires_grad=True)
    parameters = list(block.parameters())
    for p in parameters[4:6] + parameters[8:]:  # gains and shifts start as ones and zeros
        nn.init.uniform_(p, 0.5, 1.5)
    wrt = [x, *parameters]
    actual = value_and_gradients(block(x), wrt)
    expected = value_and_gradients(recurrent_residual(x, parameters, t), wrt)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize('t', [0, 2, 5])
def test_each_of_the_two_convolutions_is_applied_t_plus_1_times(t):
    block = RecurrentResidualBlock(3, 4, t=t, norm_cfg=BN)
    calls = []
    convs = {m: n for n, m in block.named_modules() if isinstance(m, nn.Conv2d)}
    for conv in convs:
        conv.register_forward_hook(lambda m, *_: calls.append(convs[m]))
    block(torch.randn(2, 3, 5, 6))
    first, second = (n for n, m in block.named_modules() if getattr(m, 'kernel_size', 0) == (3, 3))
    assert calls == ['project'] + [first] * (t + 1) + [second] * (t + 1)


def test_the_parameters_do_not_grow_with_t():
    shapes = [
        [p.shape for p in RecurrentResidualBlock(3, 4, t=t, norm_cfg=BN).parameters()]
        for t in (0, 1, 7)
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_without_normalization_and_with_another_activation():
    block = RecurrentResidualBlock(3, 4, act_cfg=dict(type='LeakyReLU'))
    layers = [type(m).__name__ for m in block.recurrent[0].children()]
    assert layers == ['Conv2d', 'Identity', 'LeakyReLU', 'ModuleList']
    assert block(torch.randn(1, 3, 1, 1)).shape == (1, 4, 1, 1)


@pytest.mark.parametrize('norm_cfg', [BN, dict(type='BN', affine=False)])
def test_each_application_has_its_own_statistics(norm_cfg):
    block = RecurrentResidualBlock(3, 4, t=2, norm_cfg=dict(norm_cfg, momentum=1.0)).double()
    x = torch.randn(8, 3, 32, 32, dtype=torch.double)
    expected = block(x)  # the running statistics are now those of this batch
    actual = block.eval()(x)
    # but for the variance, whose running value is without bias: n / (n - 1) with n = 8 * 32 * 32
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_an_older_checkpoint_is_tested_with_the_statistics_that_its_applications_shared():
    block = RecurrentResidualBlock(3, 4, t=2, norm_cfg=BN).eval()
    old = {
        key.replace('conv.', '0.').replace('norm.', '1.'): torch.rand_like(value.float())
        for key, value in block.state_dict().items()
        if 'later_norms' not in key
    }
    assert block.load_state_dict(dict(old)).missing_keys == []
    x = torch.randn(1, 3, 5, 6)
    y = nn.functional.conv2d(x, old['project.weight'], old['project.bias'])
    expected = y
    for i in range(2):
        part = {key[len(f'recurrent.{i}.') :]: old[key] for key in old if f'recurrent.{i}.' in key}

        def f(z, part=part):
            z = nn.functional.conv2d(z, part['0.weight'], part['0.bias'], padding=1)
            statistics = part['1.running_mean'], part['1.running_var']
            return nn.functional.batch_norm(
                z, *statistics, part['1.weight'], part['1.bias'], training=False
            ).clamp(min=0)

        y = recurrent(y, f, 2)
    torch.testing.assert_close(block(x), expected + y)


def test_a_normalization_without_statistics_is_shared():
    block = RecurrentResidualBlock(3, 4, t=2, norm_cfg=dict(type='GN', num_groups=2))
    assert not [name for name in block.state_dict() if 'later' in name]
    calls = []
    block.recurrent[0].norm.register_forward_hook(lambda *_: calls.append(0))
    block(torch.randn(1, 3, 5, 6))
    assert len(calls) == 3
