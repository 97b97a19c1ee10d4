"""The DA block against equations 1 to 3 of the paper, written out."""

import math

import pytest
import torch

from mmseg_attn.models.layers import DABlock
from tests.measures import value_and_gradients


def da_block(x, parameters, dim, residual):
    """x + softmax(Q K^T / sqrt(d_k)) V, tokens as the rows of Q, K and V"""

    def convolve(name):  # 1x1
        out = torch.einsum('oc,nchw->nohw', parameters[f'{name}.weight'][:, :, 0, 0], x)
        if f'{name}.bias' in parameters:
            out = out + parameters[f'{name}.bias'][:, None, None]
        rows = out.flatten(2)
        return rows if dim == 'channel' else rows.transpose(1, 2)

    q, k, v = (convolve(name) for name in ('query', 'key', 'value'))
    d_k = q.shape[2]
    out = []
    for sample in range(len(x)):
        exponentials = torch.exp(q[sample] @ k[sample].T / math.sqrt(d_k))
        out.append(exponentials / exponentials.sum(dim=1, keepdim=True) @ v[sample])
    rows = torch.stack(out)
    attention = (rows if dim == 'channel' else rows.transpose(1, 2)).reshape(x.shape)
    return x + attention if residual else attention


@pytest.mark.parametrize('residual', [True, False])
@pytest.mark.parametrize(
    'options', [dict(), dict(qk_channels=3), dict(dim='channel')], ids=['spatial', 'qk3', 'channel']
)
def test_equation(options, residual):
    layer = DABlock(16, residual=residual, **options).double()
    x = torch.randn(2, 16, 4, 5, dtype=torch.double, requires_grad=True)
    parameters = dict(layer.named_parameters())
    wrt = [x, *parameters.values()]
    expected = da_block(x, parameters, options.get('dim', 'spatial'), residual)
    actual = value_and_gradients(layer(x), wrt)
    torch.testing.assert_close(actual, value_and_gradients(expected, wrt), rtol=1e-9, atol=1e-12)
    assert all(gradient.abs().sum() > 1e-6 for gradient in actual[1:])


def test_defaults():
    shapes = {name: tuple(p.shape) for name, p in DABlock(64).named_parameters()}
    assert shapes == {
        'query.weight': (8, 64, 1, 1),
        'query.bias': (8,),
        'key.weight': (8, 64, 1, 1),
        'value.weight': (64, 64, 1, 1),
        'value.bias': (64,),
    }


def test_channel_tokens_have_all_channels():
    layer = DABlock(16, dim='channel')
    assert [m.out_channels for m in (layer.query, layer.key, layer.value)] == [16, 16, 16]


def test_key_bias_would_cancel_over_positions():
    layer = DABlock(16).double()
    x = torch.randn(1, 16, 4, 5, dtype=torch.double)
    before = layer(x)
    layer.key.bias = torch.nn.Parameter(torch.randn(2, dtype=torch.double))
    torch.testing.assert_close(layer(x), before, rtol=1e-12, atol=1e-12)


def test_few_channels_leave_one_for_the_query():
    assert DABlock(4).query.out_channels == 1


def test_refuses_unknown_dim():
    with pytest.raises(ValueError, match="dim must be 'spatial' or 'channel', got 'position'"):
        DABlock(16, dim='position')


def test_refuses_qk_channels_over_channels():
    with pytest.raises(ValueError, match='leave out qk_channels=2'):
        DABlock(16, qk_channels=2, dim='channel')
