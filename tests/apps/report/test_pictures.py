import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_attn.apps.report import pictures

PALETTE = [[10, 20, 30], [40, 50, 60]]
LABELS = np.array([[0, 1], [255, 1]])
GRAY = np.full((2, 2, 3), 100, dtype=np.uint8)


def decoded(uri: str) -> Image.Image:
    kind, _, data = uri.partition(',')
    assert kind == 'data:image/png;base64'
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_classes_have_their_colors_and_the_rest_is_the_image():
    drawn = pictures.colored(LABELS, PALETTE, GRAY)
    assert drawn.tolist() == [[PALETTE[0], PALETTE[1]], [[100] * 3, PALETTE[1]]]


def test_errors_are_marked_where_there_is_a_label():
    drawn = pictures.errors(LABELS, np.zeros((2, 2), int), PALETTE, GRAY)
    wrong, pale = list(pictures.color_of_mistakes(PALETTE)), [200] * 3
    assert drawn.tolist() == [[pale, wrong], [pale, wrong]]


def test_mistakes_look_unlike_the_classes():
    first, second, third = pictures.MISTAKES
    assert pictures.color_of_mistakes(PALETTE) == first
    assert pictures.color_of_mistakes([*PALETTE, first]) == second
    assert pictures.color_of_mistakes([first, second, third]) == first


@pytest.mark.parametrize(
    ('channels', 'expected'), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [2, 1, 0]), (5, [2, 1, 0])]
)
def test_packed_images_become_rgb(channels, expected):
    inputs = torch.arange(channels, dtype=torch.uint8)[:, None, None].expand(channels, 4, 6)
    image = pictures.image_of(dict(inputs=inputs))
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == expected


def test_other_values_are_stretched_over_8_bits():
    image = pictures.image_of(dict(inputs=torch.tensor([[[-1.0, 0.0, 1.0]]])))
    assert image[0, :, 0].tolist() == [0, 127, 255]
    assert pictures.image_of(dict(inputs=torch.ones(1, 1, 1)))[0, 0, 0] == 0


def test_images_take_the_size_of_their_labels():
    assert pictures.fit(GRAY, (4, 6)).shape == (4, 6, 3)
    assert pictures.fit(GRAY, (2, 2)) is GRAY


@pytest.mark.parametrize(
    ('shape', 'size'), [((64, 32), (128, 256)), ((300, 200), (200, 300)), ((100, 1280), (640, 50))]
)
def test_small_pictures_are_enlarged_and_large_ones_reduced(shape, size):
    image = decoded(pictures.png(np.zeros((*shape, 3), dtype=np.uint8)))
    assert image.size == size


def test_labels_are_not_mixed_when_they_are_reduced():
    stripes = np.zeros((1280, 1280, 3), dtype=np.uint8)
    stripes[::3] = 255
    drawn = np.asarray(decoded(pictures.png(stripes)))
    assert set(np.unique(drawn)) == {0, 255}
    assert len(np.unique(np.asarray(decoded(pictures.png(stripes, smooth=True))))) > 2
