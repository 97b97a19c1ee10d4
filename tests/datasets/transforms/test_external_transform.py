"""MONAI's transforms against plain geometry and arithmetic, for images of any type."""

import copy
import math
import pickle
import random
import re
import sys

import numpy as np
import pytest
import torch
from mmseg.registry import TRANSFORMS

from mmseg_attn.datasets.transforms.external_transform import INTENSITY, SPATIAL
from mmseg_attn.errors import DataError, UsageError
from tests.libraries import needs_monai

OPTIONS: dict[str, dict] = {
    'Rand2DElastic': dict(spacing=(16, 16), magnitude_range=(1, 2)),
    'RandAffine': dict(rotate_range=1, scale_range=0.2, translate_range=4, shear_range=0.1),
    'RandCoarseDropout': dict(holes=2, spatial_size=6),
    'RandCoarseShuffle': dict(holes=2, spatial_size=6),
    'RandGridDistortion': dict(distort_limit=0.2),
    'RandRotate': dict(range_x=3.14),
    'RandScaleIntensity': dict(factors=(0.2, 0.3)),
    'RandScaleIntensityFixedMean': dict(factors=(0.2, 0.3)),
    'RandShiftIntensity': dict(offsets=(0.2, 0.3)),
    'RandZoom': dict(min_zoom=0.6, max_zoom=1.6, mode='bilinear'),
}
QUARTER = (math.pi / 2, math.pi / 2)
STILL = dict(rotate_range=0, scale_range=0, translate_range=0, shear_range=0)
KINDS = {
    '8-bit gray': (np.uint8, ()),
    '8-bit color': (np.uint8, (3,)),
    '16-bit gray': (np.uint16, (1,)),
    'float32': (np.float32, (5,)),
    'float64': (np.float64, ()),
    'signed': (np.int16, (2,)),
}


def build(name: str, *, prob: float = 1.0, **options):
    """Build the transform, or skip the test if this version of MONAI does not have it."""
    import monai.transforms

    if not hasattr(monai.transforms, name):
        pytest.skip(f'MONAI {monai.__version__} has no {name}')
    config = dict(type='ExternalTransform', name=name, prob=prob)
    return TRANSFORMS.build(config | OPTIONS.get(name, {}) | options)


def sample(height: int = 24, width: int = 24, kind=np.float32, channels=()) -> dict:
    """An image with values from 0 to 200, and two label maps of 0 to 4 and of ignored pixels."""
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 1, 2, 3, 4, 255]), (height, width))
    return dict(
        img=(200 * rng.random((height, width, *channels))).astype(kind),
        img_shape=(height, width),
        gt_seg_map=labels.astype(np.uint8),
        gt_other=(4 - np.minimum(labels, 4)).astype(np.int64),
        seg_fields=['gt_seg_map', 'gt_other'],
    )


def apply(transform, results: dict, seed: int = 0) -> dict:
    np.random.seed(seed)
    return transform(dict(results))


@needs_monai
@pytest.mark.parametrize('side', [8, 9])
@pytest.mark.parametrize(
    ('name', 'options'),
    [('RandRotate', dict(range_x=QUARTER)), ('RandAffine', dict(STILL, rotate_range=[QUARTER]))],
)
def test_a_rotation_by_90_degrees(name, options, side):
    results = sample(side, side, channels=(2,))
    moved = apply(build(name, **options), results)
    turns = -1  # clockwise
    np.testing.assert_allclose(moved['img'], np.rot90(results['img'], turns), atol=1e-2)
    for field in results['seg_fields']:
        np.testing.assert_array_equal(moved[field], np.rot90(results[field], turns))
        assert moved[field].dtype == results[field].dtype


@needs_monai
@pytest.mark.parametrize(('height', 'width'), [(9, 7), (8, 12)])
def test_a_shift_by_whole_pixels_ignores_what_comes_from_outside(height, width):
    results = sample(height, width)
    shift = dict(STILL, translate_range=((2, 2), (-3, -3)))
    moved = apply(build('RandAffine', ignore_index=77, padding_mode='zeros', **shift), results)
    # the row r of the result is the row r + 2 of the image
    inside = np.zeros((height, width), bool)
    inside[: height - 2, 3:] = True
    np.testing.assert_allclose(moved['img'][inside], results['img'][2:, :-3].ravel(), atol=1e-2)
    np.testing.assert_allclose(moved['img'][~inside], 0, atol=1e-6)
    for field in results['seg_fields']:
        np.testing.assert_array_equal(moved[field][inside], results[field][2:, :-3].ravel())
        assert (moved[field][~inside] == 77).all()


@needs_monai
@pytest.mark.parametrize('axis', [0, 1])
def test_flips(axis):
    results = sample(6, 9, np.uint8, (3,))
    moved = apply(build('RandFlip', spatial_axis=axis), results)
    for key in ('img', *results['seg_fields']):
        np.testing.assert_array_equal(moved[key], np.flip(results[key], axis))


@needs_monai
def test_quarter_turns_change_the_shape():
    results = sample(6, 9, np.uint8)
    moved = apply(build('RandRotate90', max_k=1), results)
    assert moved['img_shape'] == (9, 6) == moved['img'].shape
    for key in ('img', *results['seg_fields']):
        np.testing.assert_array_equal(moved[key], np.rot90(results[key]))


@needs_monai
def test_zoom_by_two_and_by_half():
    results = sample(8, 8)
    larger = apply(build('RandZoom', min_zoom=2, max_zoom=2), results)
    doubled = results['gt_seg_map'].repeat(2, axis=0).repeat(2, axis=1)[4:12, 4:12]
    np.testing.assert_array_equal(larger['gt_seg_map'], doubled)
    smaller = apply(build('RandZoom', min_zoom=0.5, max_zoom=0.5), results)['gt_seg_map']
    assert np.isin(smaller[2:6, 2:6], results['gt_seg_map']).all()
    smaller[2:6, 2:6] = 255
    assert (smaller == 255).all()


@needs_monai
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('name', SPATIAL)
def test_labels_move_with_the_image(name, seed):
    """An image that is 1 inside of two disks, which are class 1: both stay the same set."""
    rows, columns = np.mgrid[:64, :64]
    disks = ((rows - 20) ** 2 + (columns - 24) ** 2 < 100) | (
        (rows - 40) ** 2 + (columns - 44) ** 2 < 60
    )
    results = dict(
        img=disks.astype(np.float32), gt_seg_map=disks.astype(np.uint8), seg_fields=['gt_seg_map']
    )
    moved = apply(build(name), results, seed)
    known = moved['gt_seg_map'] != 255
    inside = moved['img'] > 0.5
    if name not in ('RandFlip', 'RandAxisFlip', 'RandRotate90'):
        assert (inside != disks).sum() > 40  # it moved
    assert known.mean() > 0.3
    assert set(np.unique(moved['gt_seg_map'])) <= {0, 1, 255}
    # the two differ only where a pixel is half inside
    assert (inside != moved['gt_seg_map'])[known].sum() <= 24
    certain = known & (np.abs(moved['img'] - 0.5) > 0.45)
    assert ((inside != moved['gt_seg_map']) & certain).sum() == 0


@needs_monai
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', [*SPATIAL, *INTENSITY])
def test_type_and_shape_are_kept_and_the_original_too(name, kind):
    dtype, channels = KINDS[kind]
    results = sample(20, 26, dtype, channels)
    before = copy.deepcopy(results)
    moved = apply(build(name), results, seed=1)
    assert moved['img'].dtype == dtype
    assert moved['img'].ndim == 2 + len(channels)
    assert np.isfinite(moved['img'].astype(float)).all()
    assert moved['img_shape'] == moved['img'].shape[:2] == moved['gt_seg_map'].shape
    if name != 'RandRotate90':
        assert moved['img'].shape == results['img'].shape
    for key in ('img', *before['seg_fields']):
        np.testing.assert_array_equal(results[key], before[key])
        if name in INTENSITY and key != 'img':
            assert moved[key] is results[key]


@needs_monai
@pytest.mark.parametrize('name', INTENSITY)
def test_intensities_do_not_depend_on_the_unit(name):
    """8 bits, 16 bits and floating point change by the same fraction of their deviation."""
    transform = build(name)
    results = sample(20, 26, np.float32, (2,))
    unit = apply(transform, results, seed=2)['img']
    for factor in (1e-3, 257.0):
        scaled = apply(transform, dict(img=results['img'] * np.float32(factor)), seed=2)['img']
        np.testing.assert_allclose(scaled, unit * factor, rtol=1e-3, atol=2e-3 * factor * 200)
    rounded = sample(20, 26, np.uint16, (2,))
    wide = dict(img=(rounded['img'] + 300) * 100)
    result = apply(transform, wide, seed=2)['img'].astype(float)
    expected = apply(transform, dict(img=wide['img'].astype(np.float32)), seed=2)['img']
    np.testing.assert_array_equal(result, expected.round().clip(0, 65535))


@needs_monai
@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_a_shift_is_in_standard_deviations_of_each_channel(kind):
    results = sample(20, 26, kind, (2,))
    results['img'][..., 1] //= 4
    shifted = apply(build('RandShiftIntensity', offsets=(1, 1)), results)['img']
    for channel in range(2):
        values = results['img'][..., channel].astype(float)
        expected = (values + values.std()).round().clip(0, np.iinfo(kind).max)
        np.testing.assert_allclose(shifted[..., channel], expected, atol=1)
    assert (shifted[..., 1] != results['img'][..., 1]).all()


@needs_monai
def test_noise_is_in_standard_deviations():
    results = sample(64, 64, np.float32)
    added = apply(build('RandGaussianNoise', std=0.5), results)['img'] - results['img']
    ratios = [
        (apply(build('RandGaussianNoise', std=0.5), results, seed)['img'] - results['img']).std()
        / results['img'].std()
        for seed in range(20)
    ]
    assert abs(added.mean()) < 5
    assert min(ratios) > 0
    assert 0.3 < max(ratios) < 0.55


@needs_monai
@pytest.mark.parametrize('name', INTENSITY)
def test_a_flat_image_stays_finite(name):
    image = np.full((12, 14, 2), 7, np.float32)
    assert np.isfinite(apply(build(name), dict(img=image))['img']).all()


@needs_monai
def test_the_probability_is_that_of_the_config():
    results = sample(4, 4)
    np.random.seed(0)
    transform = build('RandFlip', prob=0.3)
    moved = [transform(dict(results))['img'] is not results['img'] for _ in range(1000)]
    assert 0.25 < np.mean(moved) < 0.35
    never = build('RandFlip', prob=0.0)
    assert all(never(dict(results))['img'] is results['img'] for _ in range(100))
    shift = build('RandShiftIntensity', offsets=0.5, prob=0.3)
    shifts = [shift(dict(results))['img'].mean() - results['img'].mean() for _ in range(300)]
    # being applied does not choose the values
    assert 0.3 < np.mean([value > 0 for value in shifts if value]) < 0.7


@needs_monai
@pytest.mark.parametrize('name', [*SPATIAL, *INTENSITY])
def test_all_randomness_is_a_seed_of_numpy(name):
    results = sample(20, 26)
    transform = build(name)
    states = random.getstate(), torch.random.get_rng_state()
    first = apply(transform, results, seed=5)
    after = np.random.random()
    assert random.getstate() == states[0]
    assert torch.equal(torch.random.get_rng_state(), states[1])
    for other in (transform, build(name), pickle.loads(pickle.dumps(transform))):
        again = apply(other, results, seed=5)
        for key in ('img', *results['seg_fields']):
            np.testing.assert_array_equal(again[key], first[key])
    apply(build(name, prob=0.0), results, seed=5)
    assert np.random.random() == after  # as many numbers are drawn if nothing is applied
    different = [apply(transform, results, seed)['img'] for seed in range(6, 12)]
    same = [np.array_equal(image, first['img']) for image in different]
    assert not all(same) or name == 'RandFlip'


@needs_monai
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(name='RandomAffine'),
            "no 'RandomAffine' with MONAI .*: set name to one of .*RandAff",
        ),
        (dict(name='LoadImage'), "no 'LoadImage' with MONAI"),
        (dict(name='ToTensor'), "no 'ToTensor' with MONAI"),
        (dict(name='RandSpatialCrop'), "no 'RandSpatialCrop' with MONAI"),
        (dict(name='RandAffine', degrees=3), "RandAffine has no argument 'degrees': its .*rotate_"),
        (dict(name='RandZoom', keys='img'), "RandZoom has no argument 'keys': its arguments are"),
        (dict(name='RandAffine', spatial_size=3), 'spatial_size of RandAffine is set by this'),
        (dict(name='RandFlip', lazy=True), 'lazy of RandFlip is set by this package: remove it'),
        (dict(name='RandFlip', prob=1.5), 'prob of RandFlip is 1.5: set a number from 0 to 1'),
        (dict(name='RandCoarseDropout'), 'RandCoarseDropout refuses its arguments .*holes'),
        (dict(name='RandGaussianNoise', dtype='int'), 'dtype of RandGaussianNoise is set by this'),
    ],
)
def test_refusals(options, message):
    with pytest.raises(UsageError, match=message):
        TRANSFORMS.build(dict(type='ExternalTransform', prob=0.5) | options)


@needs_monai
def test_what_fails_on_an_image_names_it():
    transform = build('RandGaussianSmooth', sigma_x=('wide', 'wider'))
    with pytest.raises(DataError, match=r'RandGaussianSmooth fails for a.png .*: correct its'):
        transform(sample(8, 8) | dict(img_path='a.png'))


@needs_monai
def test_the_text_of_a_transform_names_its_arguments():
    transform = build('RandGaussianNoise', prob=0.1, std=0.3)
    text = "ExternalTransform(name='RandGaussianNoise', prob=0.1, std=0.3)"
    assert repr(transform) == text


def test_without_monai_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'monai.transforms', None)
    version = re.escape(torch.__version__.partition('+')[0])
    command = rf'run pip install monai "torch=={version}" "numpy==[\d.]+"$'
    needs = rf'ExternalTransform needs monai \(the extra mmseg_attn\[monai\]\), .*: {command}'
    with pytest.raises(UsageError, match=needs):
        TRANSFORMS.build(dict(type='ExternalTransform', name='RandFlip', prob=0.5))
