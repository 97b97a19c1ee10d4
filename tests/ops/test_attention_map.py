"""One row of the attention map, against the formula written out."""

import math

import pytest
import torch

from mmseg_attn.ops import attention_map, global_attention, window_attention
from tests.measures import LargestTensor

HEIGHT, WIDTH = 7, 8
POINTS = [(0, 0), (3, 5), (6, 7), (5, 2)]


def maps(*channels, height=HEIGHT, width=WIDTH):
    return [torch.randn(2, c, height, width, dtype=torch.float64) for c in channels]


def written_out(query, key, point, window, scale):
    """exp(scale * <query_p, key_q>) over their sum, for every q in the window of p"""
    out = torch.zeros(2, 1, *key.shape[2:], dtype=torch.float64)
    for sample in range(2):
        scores = {}
        for row in range(key.shape[2]):
            for column in range(key.shape[3]):
                if (row // window, column // window) == (point[0] // window, point[1] // window):
                    product = query[sample, :, point[0], point[1]] @ key[sample, :, row, column]
                    scores[row, column] = math.exp(scale * product)
        for (row, column), score in scores.items():
            out[sample, 0, row, column] = score / sum(scores.values())
    return out


@pytest.mark.parametrize('scale', [1.0, 0.3])
@pytest.mark.parametrize('point', POINTS)
@pytest.mark.parametrize('window', [1, 3, 4, 20, None])
def test_formula_sum_and_product_with_the_values(window, point, scale):
    query, key, value = maps(3, 3, 5)
    found = attention_map(query, key, point, window, scale)
    torch.testing.assert_close(found, written_out(query, key, point, window or 20, scale))
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), torch.ones(2, dtype=torch.float64))
    if window is None:
        out = global_attention(query, key, value, scale, backend='reference')
    else:
        out = window_attention(query, key, value, window, scale, backend='reference')
    torch.testing.assert_close((found * value).sum(dim=(2, 3)), out[:, :, point[0], point[1]])


def test_other_windows_get_nothing_and_the_last_ones_are_cut_off():
    found = attention_map(*maps(3, 3), (6, 7), 3)
    assert (found[:, :, 6:, 6:] > 0).all()
    assert found.count_nonzero() == 2 * 1 * 2


def test_a_key_of_another_size():
    (query,), (key,) = maps(3), maps(3, height=4, width=5)
    found = attention_map(query, key, (6, 7))
    torch.testing.assert_close(found, written_out(query, key, (6, 7), 20, 1))


def test_the_whole_map_is_never_built():
    query, key = torch.randn(2, 1, 3, 32, 32)
    with LargestTensor() as largest:
        attention_map(query, key, (31, 0))
    assert largest.elements == 32 * 32


@pytest.mark.parametrize('point', [(-1, 0), (0, -1), (HEIGHT, 0), (0, WIDTH)])
def test_positions_outside_are_refused(point):
    with pytest.raises(ValueError, match=f'row {point[0]} and column {point[1]} are outside'):
        attention_map(*maps(3, 3), point)
