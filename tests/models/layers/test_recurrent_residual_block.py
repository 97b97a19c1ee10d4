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
    assert [type(m).__name__ for m in block.recurrent[0]] == ['Conv2d', 'LeakyReLU']
    assert block(torch.randn(1, 3, 1, 1)).shape == (1, 4, 1, 1)
