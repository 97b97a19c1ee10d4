import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_attn.datasets.findings import KINDS
from mmseg_attn.errors import DataError


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'mask.png'


def save(path, values, mode=None):
    image = Image.fromarray(np.array(values))
    (image.convert(mode) if mode else image).save(path)


def load(path, *, results=None, **kwargs):
    transform = TRANSFORMS.build(dict(type='LoadStrictAnnotations', num_classes=4) | kwargs)
    results = dict(seg_map_path=str(path), seg_fields=[], reduce_zero_label=False) | (results or {})
    results = transform(results)
    assert results['seg_fields'] == ['gt_seg_map']
    assert results['gt_seg_map'].dtype == np.uint8
    return results['gt_seg_map'].tolist()


@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.int32])
def test_known_labels_stay(path, kind):
    save(path.with_suffix('.tif'), np.array([[0, 1], [3, 255]], kind))
    assert load(path.with_suffix('.tif')) == [[0, 1], [3, 255]]


@pytest.mark.parametrize(
    ('kind', 'strays', 'named'),
    [
        (np.uint8, [4, 4, 250], r'4 \(2 px\), 250 \(1 px\)'),
        (np.uint16, [256, 257, 65535], r'256 \(1 px\), 257 \(1 px\), 65535 \(1 px\)'),
        (np.int32, [-1, -255, 511], r'-255 \(1 px\), -1 \(1 px\), 511 \(1 px\)'),
        (np.float32, [0.5, 0.5, 1e9], r'0\.5 \(2 px\), 1000000000\.0 \(1 px\)'),
    ],
)
def test_stray_values_are_named_or_ignored(path, kind, strays, named):
    path = path.with_suffix('.tif')
    save(path, np.array([[0, 3, 255], strays], kind))
    match = (
        rf"mask\.tif contains values that are not labels: {named}; .* are 0 to 3 and 255: .*stray='"
    )
    with pytest.raises(ValueError, match=match):
        load(path)
    assert load(path, stray='ignore') == [[0, 3, 255], [255] * 3]


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA', 'P'])
def test_color_images_are_refused_or_ignored(path, mode):
    save(path, np.ones((2, 3), np.uint8), mode)
    with pytest.raises(ValueError, match=rf'mask\.png is a color image \(mode {mode}\).*color='):
        load(path, stray='ignore')
    assert load(path, color='ignore') == [[255] * 3] * 2


def test_the_advice_is_that_of_the_check_of_a_dataset(path):
    """Which is right for masks with a palette: ignoring them would ignore every pixel."""
    for mode in ('RGB', 'P'):
        save(path, np.ones((2, 3), np.uint8), mode)
        with pytest.raises(DataError, match='color image') as caught:
            load(path)
        parts = KINDS['color-mask'].remedy.split('; ')
        assert parts[0] in str(caught.value)
        assert (parts[1] in str(caught.value)) == (mode == 'P')
        assert str(caught.value).endswith("color='ignore' ignores all pixels of such a mask")


def test_the_numbers_of_a_palette_are_labels_on_request(path):
    image = Image.fromarray(np.array([[0, 3, 255]], np.uint8))
    image.putpalette([200, 100, 0] * 256)
    image.save(path)
    assert load(path, palette=True) == [[0, 3, 255]]
    with pytest.raises(
        ValueError, match=r'mask\.png contains values .*: 3 \(1 px\); the labels are 0 to 2'
    ):
        load(path, palette=True, num_classes=3)


def test_ignored_pixels_become_a_class_on_request(path):
    save(path, np.array([[0, 3, 255, 7]], np.uint8))
    assert load(path, ignored_as=4, stray='ignore') == [[0, 3, 4, 4]]


@pytest.mark.parametrize('reduce_zero_label', [False, True])
@pytest.mark.parametrize('label_map', [None, {0: 1, 1: 0, 2: 255, 3: 2}])
def test_maps_labels_as_the_original_does(path, reduce_zero_label, label_map):
    save(path, np.array([[0, 1, 2, 3, 255], [3, 2, 1, 0, 255]], np.uint8))
    meta = dict(reduce_zero_label=reduce_zero_label, label_map=label_map)
    results = dict(seg_map_path=str(path), seg_fields=[]) | meta
    original = TRANSFORMS.build(dict(type='LoadAnnotations'))(results)['gt_seg_map']
    assert load(path, results=meta) == original.tolist()


def test_a_mask_of_another_size_is_refused(path):
    save(path, np.zeros((2, 3), np.uint8))
    assert load(path, results=dict(ori_shape=(2, 3))) == [[0] * 3] * 2
    with pytest.raises(ValueError, match=r'mask\.png is 3x2, but its image is 2x3: use the mask'):
        load(path, results=dict(ori_shape=(3, 2)))


@pytest.mark.parametrize('length', [0, 40, -20])
def test_a_truncated_mask_is_named(path, length):
    save(path, np.zeros((20, 30), np.uint8))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r'mask\.png is truncated or damaged'):
        load(path, stray='ignore', color='ignore')


def test_an_image_without_mask_passes():
    transform = TRANSFORMS.build(dict(type='LoadStrictAnnotations', num_classes=4))
    assert transform(dict(img_path='a.png')) == dict(img_path='a.png')


def test_inference_on_an_own_image_uses_the_test_pipeline(tmp_path):
    init_default_scope('mmseg')
    pipeline = Compose(
        [
            dict(type='InferencerLoader'),
            dict(type='LoadStrictAnnotations', num_classes=4),
            dict(type='PackSegInputs'),
        ]
    )
    assert pipeline(np.zeros((4, 6, 3), np.uint8))['inputs'].shape == (3, 4, 6)


@pytest.mark.parametrize('name', ['stray', 'color'])
def test_wrong_settings_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 'drop': choose 'refuse' or 'ignore'"):
        TRANSFORMS.build(dict(type='LoadStrictAnnotations', num_classes=4, **{name: 'drop'}))
