import pytest
import torch

from mmseg_attn.models.necks import CSAMSkip, HybridAttentionSkip

CHANNELS = (8, 16, 32)


def pyramid(sizes=((16, 20), (8, 10), (4, 5)), **options):
    return [torch.randn(2, c, *size, **options) for c, size in zip(CHANNELS, sizes, strict=True)]


def interpolation(target, source, dtype=torch.double):
    """Bilinear weights ``(target, source)`` along one side, pixel centers at halves."""
    matrix = torch.zeros(target, source, dtype=dtype)
    for i in range(target):
        position = max((i + 0.5) * source / target - 0.5, 0)
        left = min(int(position), source - 1)
        right = min(left + 1, source - 1)
        matrix[i, left] += 1 - (position - left)
        matrix[i, right] += position - left
    return matrix


@pytest.mark.parametrize('neck_type', [CSAMSkip, HybridAttentionSkip])
@pytest.mark.parametrize(
    ('levels', 'changed'), [(None, [0, 1]), ((1,), [1]), ((-1, 0), [0, 2]), ((0, 0), [0])]
)
def test_only_the_chosen_features_change(neck_type, levels, changed):
    neck = neck_type(CHANNELS, levels=levels, reduction=4)
    features = tuple(pyramid())
    out = neck(features)
    assert [x.shape for x in out] == [x.shape for x in features]
    assert [i for i in range(3) if out[i] is not features[i]] == changed
    for level, attention in zip(changed, neck.attentions, strict=True):
        assert torch.equal(out[level], attention(features[level]))


@pytest.mark.parametrize('neck_type', [CSAMSkip, HybridAttentionSkip])
def test_pool_indices_pass_through(neck_type):
    indices = torch.arange(6)
    out = neck_type(CHANNELS)((*pyramid(), indices))
    assert len(out) == 4
    assert out[3] is indices


def test_options_reach_the_layers():
    neck = CSAMSkip(CHANNELS, reduction=2, kernel_size=3, order='parallel')
    assert [a.channel.mlp[0].out_features for a in neck.attentions] == [4, 8]
    assert all(a.order == 'parallel' for a in neck.attentions)
    assert all(a.spatial.conv.kernel_size == (3, 3) for a in neck.attentions)


@pytest.mark.parametrize(
    'sizes', [((16, 20), (8, 10), (4, 5)), ((15, 19), (8, 10), (4, 5))], ids=['even', 'odd']
)
def test_multi_scale_adds_the_mapped_neighbors(sizes):
    neck = HybridAttentionSkip(CHANNELS, levels=(0, 1, 2), multi_scale=True, reduction=4).double()
    features = pyramid(sizes, dtype=torch.double, requires_grad=True)
    out = neck(features)
    for level, feature in enumerate(features):
        fused = feature
        for near in (level - 1, level + 1):
            if near in range(3):
                rows, columns = (
                    interpolation(goal, given)
                    for goal, given in zip(feature.shape[2:], features[near].shape[2:], strict=True)
                )
                project = neck.projections[f'{near}_to_{level}']
                weight = project.weight[:, :, 0, 0]
                fused = fused + project.bias[:, None, None]
                fused = fused + torch.einsum(
                    'oc,yh,xw,nchw->noyx', weight, rows, columns, features[near]
                )
        expected = neck.attentions[level](fused)
        torch.testing.assert_close(out[level], expected, rtol=1e-9, atol=1e-11)
        wrt = [*features[max(level - 1, 0) : level + 2], *neck.attentions[level].parameters()]
        weights = torch.arange(feature.numel(), dtype=torch.double).cos().view_as(feature)
        actual, desired = (
            torch.autograd.grad((x * weights).sum(), wrt, retain_graph=True)
            for x in (out[level], expected)
        )
        torch.testing.assert_close(actual, desired, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ('neck_type', 'options'),
    [(CSAMSkip, {}), (HybridAttentionSkip, {}), (HybridAttentionSkip, dict(multi_scale=True))],
    ids=['csam', 'hybrid', 'multi-scale'],
)
def test_every_parameter_receives_a_gradient(neck_type, options):
    features = pyramid()
    neck = neck_type(CHANNELS, reduction=2, **options)
    out = neck(features)
    sum((x * torch.randn_like(x)).sum() for x in out).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in neck.parameters())


@pytest.mark.parametrize('neck_type', [CSAMSkip, HybridAttentionSkip])
def test_refuses_other_channels(neck_type):
    message = r'in_channels=\[8, 16\], but .* \[8, 16, 32\] channels: set in_channels=\[8, 16, 32\]'
    with pytest.raises(ValueError, match=message):
        neck_type(CHANNELS[:2])(pyramid())


def test_refuses_missing_level():
    with pytest.raises(ValueError, match=r'level 3 in levels=\[0, 3\] is not an index of the 3'):
        CSAMSkip(CHANNELS, levels=[0, 3])
