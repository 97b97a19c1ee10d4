"""Which crops are made, and how often, on masks whose answer is known."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from mmseg_attn.errors import DataError

SIDE = 64


def results(mask: np.ndarray) -> dict:
    image = np.stack([np.arange(mask.size).reshape(mask.shape)] * 3, axis=-1)
    return dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map'], img_shape=mask.shape)


def crops(mask: np.ndarray, number: int = 300, **options) -> list[dict]:
    transform = TRANSFORMS.build(dict(dict(type='ClassBalancedCrop', crop_size=(8, 12)), **options))
    np.random.seed(0)
    return [transform(results(mask)) for _ in range(number)]


def dotted(*dots: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for row, column, label in dots:
        mask[row, column] = label
    return mask


def corner(crop: dict) -> tuple[int, int]:
    """Row and column of the upper left pixel of a crop, from the values of the image."""
    return divmod(int(crop['img'][0, 0, 0]), SIDE)


def test_a_chosen_pixel_is_in_the_middle_and_image_and_mask_agree():
    for crop in crops(dotted((30, 40, 1)), 20, prob=1.0):
        assert corner(crop) == (26, 34)
        assert crop['gt_seg_map'].shape == crop['img'].shape[:2] == crop['img_shape'] == (8, 12)
        assert np.argwhere(crop['gt_seg_map'] == 1).tolist() == [[4, 6]]


@pytest.mark.parametrize(
    ('row', 'column', 'expected'),
    [(0, 0, (0, 0)), (63, 63, (56, 52)), (3, 60, (0, 52)), (61, 5, (56, 0))],
)
def test_crops_end_at_the_border(row, column, expected):
    assert {corner(crop) for crop in crops(dotted((row, column, 2)), 9, prob=1.0)} == {expected}


def test_a_third_of_the_crops_has_the_rare_class():
    """By chance, a crop has the pixel in 96 of 57 x 53 positions: 3 %."""
    rare = [(crop['gt_seg_map'] == 1).any() for crop in crops(dotted((30, 40, 1)), 600)]
    assert 0.29 < np.mean(rare) < 0.43
    rare = [(crop['gt_seg_map'] == 1).any() for crop in crops(dotted((30, 40, 1)), 600, prob=0.0)]
    assert np.mean(rare) < 0.07


def test_classes_are_drawn_equally_whatever_their_area():
    mask = dotted((50, 50, 2))
    mask[:32, :32] = 1
    mask[:32, 40:] = 3
    middle = [crop['gt_seg_map'][4, 6] for crop in crops(mask, 600, prob=1.0)]
    assert (np.array(middle) == 2).mean() == pytest.approx(1 / 3, abs=0.06)
    middle = {int(crop['gt_seg_map'][4, 6]) for crop in crops(mask, 50, prob=1.0, classes=[2])}
    assert middle == {2}


@pytest.mark.parametrize(
    'mask', [dotted(), dotted((3, 3, 255)), np.full((SIDE, SIDE), 255, dtype=np.uint8)]
)
def test_without_a_class_crops_are_anywhere(mask):
    assert len({corner(crop) for crop in crops(mask, 100, prob=1.0)}) > 80


@pytest.mark.parametrize(('shape', 'expected'), [((5, 64), (5, 12)), ((5, 7), (5, 7))])
def test_smaller_images_stay_whole(shape, expected):
    mask = np.ones(shape, dtype=np.uint8)
    for crop in crops(mask, 9, prob=1.0):
        assert crop['gt_seg_map'].shape == crop['img_shape'] == expected


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(prob=1.5), 'prob of ClassBalancedCrop is 1.5: set a number from 0 to 1'),
        (dict(classes=[1, 255]), r'classes of ClassBalancedCrop is \[1, 255\]: name classes other'),
        (dict(classes=[]), r'classes of ClassBalancedCrop is \[\]: name'),
        (dict(classes=[0], ignore_index=0), r'is \[0\]: name classes other than the ignored label'),
    ],
)
def test_settings_without_a_meaning_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        crops(dotted(), 1, **options)
