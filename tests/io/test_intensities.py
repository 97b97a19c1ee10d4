import numpy as np
import pytest

from mmseg_attn.io import ct_window, percentile_window, to_bytes


@pytest.mark.parametrize(
    ('low', 'high', 'window'),
    [
        (-1024, 3071, (-1500, 500)),
        (-500, 0, (-1500, 500)),
        (0, 255, (0, 255)),
        (3, 200.5, (0, 255)),
        (0, 4095, None),
        (-499, 100, None),
        (0, 1, None),  # scaled to 0 to 1: as bytes it would be black
        (0, 0, None),
    ],
)
def test_the_window_of_a_ct(low, high, window):
    assert ct_window(np.array([[low, high]])) == window


def test_percentiles():
    values = np.arange(1001, dtype=np.int16)[::-1]
    assert percentile_window(values) == pytest.approx((5, 995))
    assert percentile_window(values, percentiles=(0, 100)) == (0, 1000)


def test_percentiles_of_nearly_one_value_are_the_range():
    values = np.zeros(1000)
    values[0] = 7
    assert percentile_window(values) == (0, 7)


def test_bytes_are_rounded_and_clipped():
    values = np.array([-2000, -1500, -1496.0, -500, 500, 501])
    assert to_bytes(values, (-1500, 500)).tolist() == [0, 0, 1, 128, 255, 255]
    assert to_bytes(np.arange(256), (0, 255)).tolist() == list(range(256))
    assert to_bytes(np.full(3, 9), (9, 9)).tolist() == [0, 0, 0]
    assert to_bytes(values, (0, 1)).dtype == np.uint8
