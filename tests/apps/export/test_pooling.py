import pytest
import torch
from torch import nn

from mmseg_attn.apps.export.pooling import PartAverages, averages_parts


@pytest.mark.parametrize('parts', [(1, 1), (2, 3), (6, 6), (7, 5)])
@pytest.mark.parametrize('size', [(6, 6), (13, 8), (3, 40)])
def test_averages_are_those_of_adaptive_pooling(parts, size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(PartAverages(parts)(x), nn.AdaptiveAvgPool2d(parts)(x))


@pytest.mark.parametrize(
    ('size', 'several'),
    [(1, False), ((1, 1), False), (3, True), ((1, 2), True), ((None, 3), False)],
)
def test_means_and_sides_that_keep_their_size_are_left_alone(size, several):
    assert averages_parts(nn.AdaptiveAvgPool2d(size)) == several
