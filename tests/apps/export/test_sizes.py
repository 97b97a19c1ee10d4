import pytest
import torch
from torch import nn

from mmseg_attn.apps.export.sizes import sample, smallest_side


@pytest.mark.parametrize(
    ('layers', 'smallest'),
    [
        ([nn.Conv2d(1, 1, 3, stride=32, padding=1)], 33),  # 33 -> 2
        ([nn.Conv2d(1, 1, 32, stride=32)], 65),  # 33 -> 1, 65 -> 2
        ([nn.MaxPool2d(64, stride=64, ceil_mode=True)], 65),
        ([nn.MaxPool2d(64, ceil_mode=True, return_indices=True)], 65),
        ([nn.Conv2d(1, 1, 40)], 65),  # larger than 33
        ([nn.AvgPool2d(64)], 129),
        ([nn.Conv2d(1, 1, 32, stride=32), nn.AdaptiveAvgPool2d(1), nn.Conv2d(1, 1, 1)], 65),
        ([nn.AdaptiveAvgPool2d(3), nn.Conv2d(1, 1, 3)], 33),  # always makes one of several
    ],
)
def test_the_smallest_side_has_two_rows_and_columns_on_every_map(layers, smallest):
    model = nn.Sequential(*layers)
    assert smallest_side(model, 1) == smallest
    assert not any(layer._forward_hooks for layer in layers)


@pytest.mark.parametrize('smallest', range(33, 258, 32))
def test_no_stride_divides_the_sample(smallest):
    batch, *sides = sample(smallest)
    assert batch == 2
    assert all(side > smallest and side % 2 for side in sides)
    assert torch.tensor(sides).unique().numel() == 2
