"""Drawings of uncertain pixels: what they show, in plain arithmetic."""

import math

import cv2
import numpy as np
import pytest

from mmseg_attn.visualization.uncertainty_picture import draw_uncertainty

LEFT, TOP, GAP = 6, 26, 6  # of the first panel; between panels
GREEN = 0, 200, 0


def drawn(fraction: float, width: int = 300) -> np.ndarray:
    image = np.full((300, width, 3), GREEN, np.uint8)
    entropy = np.full((300, width), fraction * math.log(5))
    return draw_uncertainty(image, entropy, math.log(5), panel_size=300)


def plasma(fraction: float) -> np.ndarray:
    value = np.full((1, 1), round(255 * fraction), np.uint8)
    return cv2.applyColorMap(value, cv2.COLORMAP_PLASMA)[0, 0, ::-1].astype(float)


@pytest.mark.parametrize(
    ('fraction', 'opacity'), [(0, 0), (0.1, 0.2), (0.4, 0.8), (0.5, 1), (1, 1)]
)
def test_the_color_covers_the_gray_image_with_growing_opacity(fraction, opacity):
    """The image beside it keeps its colors."""
    picture = drawn(fraction)
    assert picture[TOP + 150, LEFT + 150].tolist() == [*GREEN]
    gray = 0.587 * 200
    expected = (1 - opacity) * gray + opacity * plasma(fraction)
    found = picture[TOP + 150, LEFT + 300 + GAP + 150]
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_the_bar_has_the_colors_of_the_image():
    for fraction in (0.2, 0.7):
        picture = drawn(fraction)
        left = LEFT + 300 + GAP
        bar = picture[TOP + 300 + GAP + 7, left : left + 300].astype(int)
        color = picture[TOP + 150, left + 150].astype(int)
        nearest = abs(bar - color).sum(axis=1)
        assert nearest.min() <= 9
        assert nearest.argmin() == pytest.approx(fraction * 299, abs=3)


def test_a_narrow_image_has_room_for_its_scale():
    picture = drawn(0.5, width=20)
    assert picture.shape[1] > 2 * 200
    assert (picture[TOP + 300 + GAP + 7, -100:-8] < 250).any(axis=1).all()  # the bar
