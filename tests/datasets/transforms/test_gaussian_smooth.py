import numpy as np
import pytest
from mmseg.registry import TRANSFORMS


@pytest.mark.parametrize(('sigma', 'size'), [(0.8, 3), (1.5, 5)])
@pytest.mark.parametrize('shape', [(7, 9), (7, 9, 1), (7, 9, 3)])
def test_is_the_formula_with_a_mirrored_border(sigma, size, shape):
    image = np.random.default_rng(0).random(shape)
    reach = size // 2
    weights = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    layers = image.reshape(7, 9, -1)
    wide = np.pad(layers, [(reach, reach), (reach, reach), (0, 0)], mode='reflect')
    expected = sum(
        kernel[i, j] * wide[i : i + 7, j : j + 9] for i in range(size) for j in range(size)
    )
    transform = TRANSFORMS.build(dict(type='GaussianSmooth', sigma=sigma, kernel_size=size))
    result = transform(dict(img=image))['img']
    assert result.shape == shape
    np.testing.assert_allclose(result.reshape(expected.shape), expected, rtol=1e-12)


def test_type_stays_and_nothing_is_random():
    image = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    transform = TRANSFORMS.build(dict(type='GaussianSmooth'))
    first, second = transform(dict(img=image))['img'], transform(dict(img=image))['img']
    assert first.dtype == np.uint8
    assert not np.array_equal(first, image)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('settings', [dict(sigma=0), dict(kernel_size=4), dict(kernel_size=-1)])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError, match='choose a positive sigma and an odd kernel_size'):
        TRANSFORMS.build(dict(type='GaussianSmooth', **settings))
