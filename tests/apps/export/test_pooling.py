import pytest
import torch
from torch import nn

from mmseg_attn.apps.export.pooling import PartAverages, with_exportable_pools


@pytest.mark.parametrize('parts', [(1, 1), (2, 3), (6, 6), (7, 5)])
@pytest.mark.parametrize('size', [(6, 6), (13, 8), (3, 40)])
def test_averages_are_those_of_adaptive_pooling(parts, size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(PartAverages(parts)(x), nn.AdaptiveAvgPool2d(parts)(x))


def test_pools_are_exchanged_in_a_copy_and_means_are_not():
    model = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Conv2d(2, 2, 1))
    )
    copy = with_exportable_pools(model)
    assert isinstance(copy[0], nn.AdaptiveAvgPool2d)
    assert copy[1][0].parts == (3, 3)
    assert isinstance(model[1][0], nn.AdaptiveAvgPool2d)
    assert with_exportable_pools(model[:1])[0] is model[0]


def test_a_side_that_keeps_its_size_is_left_alone():
    model = nn.Sequential(nn.AdaptiveAvgPool2d((None, 3)))
    assert with_exportable_pools(model) is model
