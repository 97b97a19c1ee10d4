"""MSAM against Table 3 and equations 1 and 2 of the paper, written with loops."""

import functools
import os
import subprocess
import sys

import pytest
import torch

from mmseg_attn.models.layers import MSAM
from mmseg_attn.models.layers import msam as msam_layer
from mmseg_attn.ops import global_attention, global_chunks
from tests.measures import LargestTensor, value_and_gradients
from tests.models.layers import msam_memory


def convolve(x, weight, bias, stride, padding, size):
    """A strided convolution as a sum over its kernel; zeros where the map ends."""
    height, width = size
    kernel = weight.shape[-1]
    padded = torch.nn.functional.pad(x, [padding, padding + kernel, padding, padding + kernel])
    out = 0 if bias is None else bias[:, None, None]
    for i in range(kernel):
        for j in range(kernel):
            seen = padded[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            out = out + torch.einsum('oc,nchw->nohw', weight[:, :, i, j], seen)
    return out


def msam(features, parameters, attention, norm):
    size = features[-1].shape[2:]
    levels = []
    for i, feature in enumerate(features):
        stride = 2 ** (len(features) - 1 - i)
        bias = parameters.get(f'levels.{i}.conv.bias')
        x = convolve(feature, parameters[f'levels.{i}.conv.weight'], bias, stride, stride, size)
        if norm:
            mean = x.mean(dim=(0, 2, 3), keepdim=True)
            variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
            x = (x - mean) / (variance + 1e-5).sqrt()
            x = x * parameters[f'levels.{i}.bn.weight'][:, None, None]
            x = x + parameters[f'levels.{i}.bn.bias'][:, None, None]
        levels.append(x.clamp(min=0))
    x = torch.cat(levels, dim=1)

    def project(name):
        bias = parameters.get(f'{name}.bias')
        return convolve(x, parameters[f'{name}.weight'], bias, 1, 0, size).flatten(2)

    out = project('project')
    if attention:
        a, b, c = project('key'), project('query'), project('value')
        exponentials = torch.exp(torch.einsum('nci,ncj->nij', a, b))
        s = exponentials / exponentials.sum(dim=1, keepdim=True)  # over i: eq. 1
        out = torch.einsum('nci,nij->ncj', c, s) + out  # eq. 2
    return out.unflatten(2, size)


def pyramid(channels, sizes, **options):
    return [torch.randn(2, c, *size, **options) for c, size in zip(channels, sizes, strict=True)]


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')], ids=['plain', 'bn'])
@pytest.mark.parametrize(
    'sizes',
    [
        [(12, 16), (6, 8), (3, 4)],
        [(15, 19), (7, 9), (3, 4)],  # pools that round down
        [(13, 18), (7, 9), (4, 5)],  # stages that round up
        [(6, 8), (3, 4)],
    ],
    ids=str,
)
def test_equation(sizes, norm_cfg, attention):
    channels = (4, 8, 16)[: len(sizes)]
    layer = MSAM(channels, attention=attention, norm_cfg=norm_cfg).double()
    features = pyramid(channels, sizes, dtype=torch.double, requires_grad=True)
    parameters = dict(layer.named_parameters())
    wrt = [*features, *parameters.values()]
    expected = msam(features, parameters, attention, norm=norm_cfg is not None)
    actual = value_and_gradients(layer(features), wrt)
    assert actual[0].shape == features[-1].shape
    torch.testing.assert_close(actual, value_and_gradients(expected, wrt), rtol=1e-8, atol=1e-10)
    assert all(gradient.abs().sum() > 1e-6 for gradient in actual[1:])


@pytest.mark.parametrize(
    ('in_channels', 'levels'),
    [
        (
            (64, 128, 256),
            [(64, 64, 12, 4, 4), (128, 64, 6, 2, 2), (256, 128, 3, 1, 1)],
        ),
        ((64, 128), [(64, 64, 6, 2, 2), (128, 64, 3, 1, 1)]),
    ],
    ids=['three-level', 'two-level'],
)
def test_table_3(in_channels, levels):
    layer = MSAM(in_channels, norm_cfg=dict(type='BN'))
    strided = [level.conv for level in layer.levels]
    table = [
        (c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.padding[0])
        for c in strided
    ]
    assert table == levels
    assert all(level.with_norm and level.with_activation for level in layer.levels)
    width = in_channels[-1]
    for conv in (layer.key, layer.query, layer.value, layer.project):
        assert conv.weight.shape == (width, width, 1, 1)


@pytest.mark.parametrize('in_channels', [(32, 64, 160), (16, 32, 64, 128), (3, 5, 7)])
def test_shares_add_up_behind_any_backbone(in_channels):
    layer = MSAM(in_channels, attention=False)
    shares = [level.conv.out_channels for level in layer.levels]
    assert sum(shares) == in_channels[-1]
    assert shares == sorted(shares)


@pytest.mark.parametrize('size', [224, 250, 117])
def test_shapes_of_the_papers_images(size):
    channels = (64, 128, 256)
    with torch.device('meta'):
        layer = MSAM(channels)
        features = pyramid(channels, [(size >> i, size >> i) for i in range(3)])
        assert layer(features).shape == (2, 256, size // 4, size // 4)


def test_never_builds_the_attention_map(monkeypatch):
    monkeypatch.setattr(global_chunks, 'CHUNK', 1024)
    monkeypatch.setattr(global_chunks, 'TILE', 40)
    positions = 24 * 24
    channels = (2, 4)
    layer = MSAM(channels)
    features = pyramid(channels, [(48, 48), (24, 24)], requires_grad=True)
    with LargestTensor() as largest:
        layer(features).sum().backward()
    assert largest.elements < positions**2 / 10
    x = features[-1]
    with LargestTensor() as largest:
        global_attention(x, x, x, backend='reference')
    assert largest.elements == 2 * positions**2


def test_memory_and_result_at_112x112_positions(root, tmp_path):
    """At most a fifth of what the formula written out takes, forward and backward together."""
    grown, results = {}, {}
    for backend in ('auto', 'reference'):
        done = subprocess.run(
            [sys.executable, msam_memory.__file__, backend, str(tmp_path / backend)],
            env=os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        grown[backend] = int(done.stdout.split()[-1])
        results[backend] = torch.load(tmp_path / backend)[:3]  # and gradients of both features
    assert grown['auto'] <= grown['reference'] / 5, grown
    torch.testing.assert_close(results['auto'], results['reference'], rtol=1e-5, atol=1e-5)


def test_result_is_that_of_the_formula_in_float64(monkeypatch):
    layer = MSAM((64, 128)).double()
    result = msam_memory.run(layer, 28)
    written_out = functools.partial(global_attention, backend='reference')
    monkeypatch.setattr(msam_layer, 'global_attention', written_out)
    torch.testing.assert_close(result, msam_memory.run(layer, 28), rtol=1e-10, atol=1e-10)


def test_without_attention_only_the_projection_remains():
    layer = MSAM((4, 8), attention=False)
    convolutions = {name.split('.')[0] for name, _ in layer.named_parameters()}
    assert convolutions == {'levels', 'project'}


@pytest.mark.parametrize('size', [(4, 8), (8, 6), (10, 8)], ids=str)
def test_refuses_levels_that_do_not_halve(size):
    layer = MSAM((4, 8))
    with pytest.raises(ValueError, match=r'2 times as large as \(4, 4\), got'):
        layer(pyramid((4, 8), [size, (4, 4)]))
