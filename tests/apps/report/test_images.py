import base64
import io

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.apps.report import images

CANDIDATES = (213, 94, 0), (230, 0, 150), (0, 90, 255)
PALETTE = [[10, 20, 30], [40, 50, 60]]
LABELS = np.array([[0, 1], [255, 1]])
GRAY = np.full((2, 2, 3), 100, dtype=np.uint8)


def decoded(uri: str) -> Image.Image:
    kind, _, data = uri.partition(',')
    assert kind == 'data:image/png;base64'
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_classes_have_their_colors_and_the_rest_is_the_image():
    drawn = images.colored(LABELS, PALETTE, GRAY)
    assert drawn.tolist() == [[PALETTE[0], PALETTE[1]], [[100] * 3, PALETTE[1]]]


def test_errors_are_marked_where_there_is_a_label():
    drawn = images.errors(LABELS, np.zeros((2, 2), int), PALETTE, GRAY)
    wrong, pale = list(images.error_color(PALETTE)), [200] * 3
    assert drawn.tolist() == [[pale, wrong], [pale, wrong]]


def test_errors_look_unlike_the_classes():
    first, second, third = CANDIDATES
    assert images.error_color(PALETTE) == first
    assert images.error_color([*PALETTE, first]) == second
    assert images.error_color([first, second, third]) == first


def test_images_take_the_size_of_their_labels():
    assert images.fit(GRAY, (4, 6)).shape == (4, 6, 3)
    assert images.fit(GRAY, (2, 2)) is GRAY


@pytest.mark.parametrize(
    ('shape', 'size'), [((64, 32), (128, 256)), ((300, 200), (200, 300)), ((100, 1280), (640, 50))]
)
def test_small_images_are_enlarged_and_large_ones_reduced(shape, size):
    image = decoded(images.png(np.zeros((*shape, 3), dtype=np.uint8)))
    assert image.size == size


def test_labels_are_not_mixed_when_they_are_reduced():
    stripes = np.zeros((1280, 1280, 3), dtype=np.uint8)
    stripes[::3] = 255
    drawn = np.asarray(decoded(images.png(stripes)))
    assert set(np.unique(drawn)) == {0, 255}
    assert len(np.unique(np.asarray(decoded(images.png(stripes, smooth=True))))) > 2
