"""Every transform on images of any size, from one pixel on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import TRANSFORMS
from PIL import Image

from tests.strategies import examples, seeds, sides


@st.composite
def images(draw, kinds=(np.uint8,)) -> np.ndarray:
    """Gray, one, three or five channels; random, of two values or flat."""
    shape = draw(sides), draw(sides), *draw(st.sampled_from([(), (1,), (3,), (5,)]))
    kind, levels = draw(st.sampled_from(kinds)), draw(st.sampled_from([1, 2, 256]))
    random = np.random.default_rng(draw(seeds))
    return random.choice(random.integers(0, 256, levels), shape).astype(kind)


def apply(image: np.ndarray, name: str, **settings) -> np.ndarray:
    before = image.copy()
    result = TRANSFORMS.build(dict(type=name, **settings))(dict(img=image))['img']
    np.testing.assert_array_equal(image, before)  # others may hold it
    assert result.dtype == image.dtype
    assert result.shape == image.shape
    return result


def assert_order_is_kept(image: np.ndarray, result: np.ndarray) -> None:
    order = np.argsort(image, axis=None, kind='stable')
    before, after = image.flat[order].astype(int), result.flat[order].astype(int)
    assert (np.diff(after) >= 0).all()
    assert (np.diff(after)[np.diff(before) == 0] == 0).all()


@examples(100)
@given(
    image=images(kinds=(np.uint8, np.uint16, np.float32, np.float64)),
    sigma=st.floats(0.1, 10),
    kernel=st.sampled_from([1, 3, 7, 15]),
)
def test_smoothing_stays_between_the_extremes(image, sigma, kernel):
    result = apply(image, 'GaussianSmooth', sigma=sigma, kernel_size=kernel)
    assert result.min() >= image.min() - 1e-3
    assert result.max() <= image.max() + 1e-3


@examples(100)
@given(image=images())
def test_equalizing_keeps_the_order_of_the_gray_levels(image):
    result = apply(image, 'EqualizeHistogram')
    for i in range(image[0, 0].size):
        layers = [x.reshape(*image.shape[:2], -1)[..., i] for x in (image, result)]
        assert_order_is_kept(*layers)


@examples(100)
@given(image=images(), delta=st.floats(0, 255), seed=seeds)
def test_brightness_keeps_the_order_of_the_gray_levels(image, delta, seed):
    np.random.seed(seed)
    result = apply(image, 'RandomBrightness', delta=delta)
    assert_order_is_kept(image, result)
    assert abs(result.astype(int) - image).max() <= np.ceil(delta)


@pytest.mark.parametrize('kind', [np.uint16, np.int16, np.float32])
def test_brightness_refuses_what_it_would_cut_off(kind):
    with pytest.raises(ValueError, match=rf'8-bit images, but a\.tif is {np.dtype(kind)}: put it'):
        TRANSFORMS.build(dict(type='RandomBrightness'))(
            dict(img=np.full((2, 2), 3000, kind), img_path='a.tif')
        )


@examples(100)
@given(image=images(), seed=seeds)
def test_turning_moves_image_and_mask_together(image, seed):
    np.random.seed(seed)
    mask = np.arange(image.shape[0] * image.shape[1]).reshape(image.shape[:2])
    results = dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map'])
    results = TRANSFORMS.build(dict(type='RandomRightAngle'))(results)
    turned, mask = results['img'], results['gt_seg_map']
    assert results['img_shape'] == mask.shape == turned.shape[:2]
    assert {turned.shape[0], turned.shape[1]} == {image.shape[0], image.shape[1]}
    flat = image.reshape(mask.size, -1)
    np.testing.assert_array_equal(turned.reshape(mask.size, -1), flat[mask.ravel()])


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return tmp_path_factory.mktemp('masks') / 'mask.png'


@examples(100)
@given(
    mask=images().filter(lambda x: x.ndim == 2),
    classes=st.integers(1, 255),
    stray=st.sampled_from(['refuse', 'ignore']),
)
def test_a_mask_is_loaded_as_it_is_or_refused(path, mask, classes, stray):
    Image.fromarray(mask).save(path)
    known = (mask < classes) | (mask == 255)
    load = TRANSFORMS.build(dict(type='LoadStrictAnnotations', num_classes=classes, stray=stray))
    results = dict(seg_map_path=str(path), seg_fields=[])
    if stray == 'refuse' and not known.all():
        with pytest.raises(ValueError, match=r'mask\.png contains values that are not labels:'):
            load(results)
    else:
        np.testing.assert_array_equal(load(results)['gt_seg_map'], np.where(known, mask, 255))
