import pytest
import torch

from mmseg_attn.models.necks import DABottleneck


def pyramid():
    return tuple(torch.randn(2, c, 16 >> i, 20 >> i) for i, c in enumerate((8, 16, 32)))


@pytest.mark.parametrize(('level', 'channels'), [(-1, 32), (-2, 16), (0, 8)])
def test_only_the_chosen_feature_changes(level, channels):
    neck = DABottleneck(channels, level=level)
    features = pyramid()
    out = neck(features)
    assert [x.shape for x in out] == [x.shape for x in features]
    assert torch.equal(out[level], neck.attention(features[level]))
    kept = [i for i in range(3) if i != level % 3]
    assert all(out[i] is features[i] for i in kept)


def test_deepest_by_default():
    out = DABottleneck(32)(features := pyramid())
    assert [new is old for new, old in zip(out, features, strict=True)] == [True, True, False]


def test_pool_indices_pass_through():
    features = pyramid()
    indices = (torch.arange(6), torch.arange(3))
    out = DABottleneck(32)((*features, *indices))
    assert len(out) == 5
    assert out[2] is not features[2]
    assert out[3] is indices[0]
    assert out[4] is indices[1]


def test_options_reach_the_block():
    neck = DABottleneck(32, qk_channels=5, residual=False)
    assert neck.attention.query.out_channels == 5
    assert neck.attention.residual is False


def test_refuses_other_channels():
    with pytest.raises(ValueError, match=r'channels=16, .* level=-1 has 32: set channels=32'):
        DABottleneck(16)(pyramid())


def test_refuses_missing_level():
    with pytest.raises(ValueError, match='level=3, but the backbone returns 3 features'):
        DABottleneck(32, level=3)(pyramid())
