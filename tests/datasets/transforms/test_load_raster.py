import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_attn.errors import DataError
from tests.data import rasters
from tests.libraries import needs_rasterio

pytestmark = needs_rasterio
BANDS = ['SR_B4', 'SR_B3', 'SR_B2', 'SR_B5']


@pytest.fixture
def scene(tmp_path):
    """Values of a scene, and the entry of a dataset for it and its labels."""
    values = rasters.landsat(tmp_path / 'a.tif', 40, 50)
    labels = np.random.default_rng(1).integers(0, 3, (1, 40, 50), np.uint8)
    labels[0, :3] = 255
    rasters.write_raster(tmp_path / 'labels.tif', labels)
    info = dict(img_path=str(tmp_path / 'a.tif'), seg_map_path=str(tmp_path / 'labels.tif'))
    return values, labels[0], dict(info, seg_fields=[], reduce_zero_label=False, label_map=None)


def load(info, settings=None, **annotations):
    loader = TRANSFORMS.build(dict(type='LoadRaster', bands=BANDS, **(settings or {})))
    labels = dict(type='LoadRasterAnnotations', num_classes=3, **annotations)
    return TRANSFORMS.build(labels)(loader(dict(info)))


def test_image_and_labels_without_data(scene):
    values, labels, info = scene
    results = load(info, dict(scale='file'))
    valid = values[0] > 0
    assert results['img'].shape == (40, 50, 4)
    assert results['img_shape'] == results['ori_shape'] == (40, 50)
    expected = np.moveaxis(values[[2, 1, 0, 3]], 0, 2) * 2.75e-05 - 0.2
    np.testing.assert_allclose(results['img'][valid], expected[valid], atol=1e-6)
    np.testing.assert_array_equal(results['gt_seg_map'], np.where(valid, labels, 255))
    assert results['seg_fields'] == ['gt_seg_map']
    assert (results['gt_seg_map'] == 255).sum() > (~valid).sum()


def test_a_crop_is_a_part_of_the_whole(scene):
    _, _, info = scene
    whole = load(info)
    np.random.seed(0)
    starts = set()
    for _ in range(20):
        crop = load(info, dict(crop_size=(16, 64)))
        rows, columns = crop['raster_window']
        assert (rows.stop - rows.start, columns) == (16, slice(0, 50))
        assert crop['img_shape'] == crop['ori_shape'] == (16, 50)
        for key in ('img', 'gt_seg_map'):
            np.testing.assert_array_equal(crop[key], whole[key][rows, columns])
        starts.add(rows.start)
    assert len(starts) > 8
    assert max(starts) <= 24


def test_a_crop_without_data_is_drawn_again(tmp_path):
    values = np.zeros((1, 16, 160), np.uint8)
    values[..., 100:] = 1
    path = str(rasters.write_raster(tmp_path / 'a.tif', values, nodata=0))
    loader = TRANSFORMS.build(dict(type='LoadRaster', crop_size=(16, 16)))
    np.random.seed(0)
    empty = sum(not loader(dict(img_path=path))['valid'].any() for _ in range(20))
    assert empty == 0  # the first draws are empty more often than not


def test_the_preprocessor_and_the_packing_take_it(scene):
    _, _, info = scene
    packed = TRANSFORMS.build(dict(type='PackSegInputs'))(load(info))
    assert packed['inputs'].shape == (4, 40, 50)
    assert packed['data_samples'].gt_sem_seg.shape == (40, 50)


def test_labels_may_be_a_png_with_a_palette(scene, tmp_path):
    values, labels, info = scene
    image = Image.fromarray(labels)
    image.putpalette(bytes(range(256)) * 3)
    image.save(tmp_path / 'labels.png')
    results = load(dict(info, seg_map_path=str(tmp_path / 'labels.png')))
    expected = np.where(values[0] > 0, labels, 255)
    np.testing.assert_array_equal(results['gt_seg_map'], expected)
    results = load(dict(info, label_map={2: 1}), ignored_as=0)
    merged = np.where(expected == 2, 1, expected)
    np.testing.assert_array_equal(results['gt_seg_map'], np.where(merged == 255, 0, merged))


def test_labels_of_another_place_and_stray_values_are_refused(scene, tmp_path):
    _, labels, info = scene
    for name, profile in (('size', {}), ('crs', dict(crs='EPSG:32634'))):
        values = labels[None, :, : 49 if name == 'size' else 50]
        path = rasters.write_raster(tmp_path / f'{name}.tif', values, **profile)
        with pytest.raises(DataError, match=r'does not have the pixels of .*a\.tif \(50x40'):
            load(dict(info, seg_map_path=str(path)))
    stray = labels[None].copy()
    stray[0, 5, :2] = 9
    path = rasters.write_raster(tmp_path / 'stray.tif', stray)
    with pytest.raises(
        DataError, match=r'stray\.tif contains values that are not labels: 9 \(2 px'
    ):
        load(dict(info, seg_map_path=str(path)))
    ignored = load(dict(info, seg_map_path=str(path)), stray='ignore')['gt_seg_map']
    assert (ignored[5, :2] == 255).all()
    path = rasters.write_raster(tmp_path / 'two.tif', np.stack([labels] * 2))
    with pytest.raises(DataError, match=r'two\.tif has 2 bands: use a mask with one band'):
        load(dict(info, seg_map_path=str(path)))


def test_labels_alone_are_whole(scene):
    _, labels, info = scene
    loader = TRANSFORMS.build(dict(type='LoadRasterAnnotations', num_classes=3))
    np.testing.assert_array_equal(loader(info)['gt_seg_map'], labels)


def test_without_labels_nothing_is_loaded(scene):
    _, _, info = scene
    del info['seg_map_path']
    assert 'gt_seg_map' not in load(info)


def test_settings_are_checked():
    for settings, message in (
        (dict(scale='x'), "scale of LoadRaster is 'x'"),
        (dict(scale='file', offset=1), 'with offset=1'),
        (dict(crop_size=(8,)), r'crop_size of LoadRaster is \(8,\)'),
        (dict(crop_size=(8, 0)), 'set height and width'),
        (dict(crop_size=0), r'crop_size of LoadRaster is \(0, 0\)'),
        (dict(bands=3), r'bands of LoadRaster is 3: set a list of bands, such as \[3\]'),
        (dict(bands='B1'), r"such as \['B1'\]"),
    ):
        with pytest.raises(DataError, match=message):
            TRANSFORMS.build(dict(type='LoadRaster', **settings))
