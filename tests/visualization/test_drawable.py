"""Images of any kind, as they are drawn."""

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_attn.visualization.drawable import drawable, loads_bgr


@pytest.mark.parametrize(
    ('channels', 'bgr', 'drawn'),
    [
        (1, False, [0, 0, 0]),
        (2, False, [0, 0, 0]),
        (2, True, [0, 0, 0]),
        (3, False, [0, 1, 2]),
        (3, True, [2, 1, 0]),
        (4, False, [0, 1, 2]),
        (4, True, [2, 1, 0]),
        (8, False, [0, 1, 2]),
    ],
)
def test_channels(channels, bgr, drawn):
    image = np.random.default_rng(0).integers(0, 256, (3, 4, channels), dtype=np.uint8)
    np.testing.assert_array_equal(drawable(image, bgr=bgr), image[..., drawn])
    if channels == 1:
        np.testing.assert_array_equal(drawable(image[..., 0]), image[..., drawn])


@pytest.mark.parametrize('kind', [np.uint16, np.int16, np.float32, np.float64, bool])
def test_the_range_of_other_values_is_drawn(kind):
    image = np.array([[0, 1], [1, 0]]).astype(kind)
    if kind is not bool:
        image = image * kind(100) - (kind(40) if kind is not np.uint16 else kind(0))
    assert drawable(image)[..., 0].tolist() == [[0, 255], [255, 0]]


def test_one_value_is_drawn_as_black():
    assert not drawable(np.full((2, 2), 7.0)).any()


@pytest.mark.parametrize('backend', ['cv2', 'pillow', 'tifffile'])
def test_the_order_of_colors_is_that_of_the_decoder(backend, tmp_path):
    kind = 'tif' if backend == 'tifffile' else 'png'
    if backend == 'tifffile':
        pytest.importorskip('tifffile')
    Image.new('RGB', (4, 4), (1, 2, 3)).save(tmp_path / f'a.{kind}')
    load = dict(type='LoadImageFromFile', imdecode_backend=backend)
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(tmp_path),
        img_suffix=f'.{kind}',
        data_prefix=dict(img_path=''),
        pipeline=[load, dict(type='PackSegInputs')],
    )
    dataset = DATASETS.build(dict(type='RepeatDataset', times=2, dataset=dataset))
    image = np.moveaxis(dataset[0]['inputs'].numpy(), 0, -1)
    assert drawable(image, bgr=loads_bgr(dataset))[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(('channels', 'bgr'), [(1, False), (3, False), (3, True), (5, True)])
def test_opencv_can_draw_on_the_result(channels, bgr):
    image = drawable(np.zeros((8, 9, channels), np.uint8), bgr=bgr)
    cv2.rectangle(image, (1, 1), (4, 4), (255, 0, 0), 1)
    assert image[1, 1].tolist() == [255, 0, 0]
