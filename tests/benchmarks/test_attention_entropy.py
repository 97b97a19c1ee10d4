"""The figures of local attention, on maps whose weights are known."""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture
def entropy(script):
    return script('attention_entropy')


def test_windows_are_cut_and_the_rest_is_left_out(entropy):
    x = torch.arange(2 * 5 * 4).reshape(1, 2, 5, 4)
    cut = entropy.windows(x, 2)
    assert cut.shape == (4, 4, 2)
    assert cut[1, :, 0].tolist() == [2, 3, 6, 7]
    assert cut[3, :, 1].tolist() == [30, 31, 34, 35]


def test_equal_weights_blur(entropy):
    zero, value = torch.zeros(1, 3, 6, 6), torch.rand(1, 3, 6, 6)
    assert entropy.measure(zero, zero, value, 3) == pytest.approx([1, 1, 1, 0, 1], abs=1e-6)


def test_weights_on_the_position_itself_keep_all(entropy):
    """Each position of a window of 2x2 has its own axis as query and key."""
    axes = 100 * torch.eye(4).reshape(1, 4, 2, 2)
    value = torch.rand(1, 3, 2, 2)
    assert entropy.measure(axes, axes, value, 2) == pytest.approx([0, 4, 4, 1, 1], abs=1e-6)


def test_two_equal_weights_are_half_the_entropy(entropy):
    """All positions share their weight between the two positions of the first row."""
    query = torch.ones(1, 1, 2, 2)
    key = torch.tensor([[100.0, 100.0], [0.0, 0.0]])[None, None]
    figures = entropy.measure(query, key, torch.rand(1, 2, 2, 2), 2)
    assert figures == pytest.approx([0.5, 2, 1, 0, 2], abs=1e-6)


def test_the_place_in_blocks_is_that_in_the_map(entropy):
    """All weight is on even rows and odd columns: 2 of the 9 positions on the left, then 4 of 9."""
    query, key = torch.ones(1, 1, 3, 6), torch.zeros(1, 1, 3, 6)
    key[..., ::2, 1::2] = 100
    figures = entropy.measure(query, key, torch.rand(1, 2, 3, 6), 3)
    assert figures[-1] == pytest.approx((2 * 9 / 2 + 4 * 9 / 4) / 6)


def test_each_level_of_a_model_is_measured(entropy, root):
    cfg = Config.fromfile(root / CONFIG)
    small = dict(backbone=dict(channels=[2, 3, 4]), decode_head=dict(in_channels=[2, 3, 4]))
    cfg.merge_from_dict(dict(model=small))
    model = MODELS.build(cfg.model).eval()
    sample = dict(inputs=torch.rand(1, 24, 24))
    figures = entropy.measure_model(model, [sample, sample])
    assert list(figures) == ['decode_head.fusions.1', 'decode_head.fusions.0']
    assert all(0 <= row[0] <= 1 and 1 <= row[1] <= 9 for row in figures.values())
    assert not any(module._forward_pre_hooks for module in model.modules())
