import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_attn.errors import DataError

STACK = np.random.default_rng(0).integers(0, 256, (5, 6, 8), 'u1')


@pytest.fixture
def slices(tmp_path):
    for k, pixels in enumerate(STACK, 8):
        Image.fromarray(pixels).save(tmp_path / f'a_{k}.png')
    return tmp_path


def load(path, **settings):
    transform = TRANSFORMS.build(dict(type='LoadNeighbors', color_type='grayscale', **settings))
    return transform(dict(img_path=str(path)))


@pytest.mark.parametrize('neighbors', [1, 2])
def test_channels_are_the_slices_from_below_to_above(slices, neighbors):
    for k in range(5):
        results = load(slices / f'a_{k + 8}.png', neighbors=neighbors)
        # NumPy repeats the edges of a stack likewise
        padded = np.pad(STACK, ((neighbors, neighbors), (0, 0), (0, 0)), mode='edge')
        expected = padded[k : k + 2 * neighbors + 1].transpose(1, 2, 0)
        np.testing.assert_array_equal(results['img'], expected)
        assert results['img_shape'] == results['ori_shape'] == (6, 8)
        assert results['img_path'] == str(slices / f'a_{k + 8}.png')


def test_settings_of_the_loader_are_kept(slices):
    results = load(slices / 'a_9.png', to_float32=True)
    assert results['img'].dtype == np.float32
    transform = TRANSFORMS.build(dict(type='LoadNeighbors', color_type='color'))
    image = transform(dict(img_path=str(slices / 'a_9.png')))['img']
    assert image.shape == (6, 8, 9)
    np.testing.assert_array_equal(image[..., ::3], STACK[:3].transpose(1, 2, 0))
    assert 'neighbors=1' in repr(transform)
    assert "color_type='color'" in repr(transform)


def test_a_neighbor_that_does_not_fit_is_named(slices):
    Image.fromarray(STACK[0, :3]).save(slices / 'a_10.png')
    with pytest.raises(DataError, match=r'a_10\.png is 3x8 uint8, but its neighbor .*a_9\.png is'):
        load(slices / 'a_9.png')
    (slices / 'a_10.png').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'a_10\.png is truncated or damaged'):
        load(slices / 'a_9.png')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(neighbors=0), 'neighbors of LoadNeighbors is 0: set a positive integer'),
        (dict(pattern=r'\d+'), 'no regular expression with a group for the number'),
        (dict(pattern='(\\d+'), r'pattern of LoadNeighbors is .* write the number as \(\\d\+\)'),
    ],
)
def test_settings_without_a_meaning(settings, message):
    with pytest.raises(DataError, match=message):
        load('a_1.png', **settings)
