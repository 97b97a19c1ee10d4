import numpy as np
import pytest
from mmseg.registry import TRANSFORMS


def equal(layer):
    """Gray level g becomes 255 (N(<= g) - N(lowest)) / (N - N(lowest)), rounded."""
    count = np.array([(layer <= g).sum() for g in range(256)])
    lowest = (layer == layer.min()).sum()
    return np.rint(255 * (count[layer] - lowest) / (layer.size - lowest)).astype(np.uint8)


@pytest.mark.parametrize('shape', [(30, 40), (30, 40, 1), (30, 40, 3)])
def test_is_the_formula_in_every_channel(shape):
    image = (np.random.default_rng(0).random(shape) ** 3 * 90 + 10).astype(np.uint8)
    result = TRANSFORMS.build(dict(type='EqualizeHistogram'))(dict(img=image))['img']
    assert result.shape == shape
    assert result.dtype == np.uint8
    layers, results = image.reshape(30, 40, -1), result.reshape(30, 40, -1)
    for i in range(layers.shape[2]):
        expected = equal(layers[..., i]).astype(int)
        assert abs(results[..., i] - expected).max() <= 1  # float32 in OpenCV
        assert (results[..., i] != expected).mean() < 0.1
        assert results[..., i].min() == 0
        assert results[..., i].max() == 255


def test_a_flat_image_stays():
    image = np.full((4, 4), 7, np.uint8)
    result = TRANSFORMS.build(dict(type='EqualizeHistogram'))(dict(img=image))['img']
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize('kind', [np.uint16, np.float32])
def test_other_types_are_refused(kind):
    transform = TRANSFORMS.build(dict(type='EqualizeHistogram'))
    with pytest.raises(ValueError, match=rf'8-bit images, but a\.png is {np.dtype(kind)}: put it'):
        transform(dict(img=np.zeros((4, 4), kind), img_path='a.png'))
