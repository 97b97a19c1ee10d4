"""Prediction of rasters, compared with that of the same pixels in memory and read by rasterio."""

import csv
import errno
import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from mmseg_attn.apps.predict import MapResults, Predictor, Results, find_items
from mmseg_attn.apps.rasters import RasterPredictor, loads_rasters, predict_rasters, use_rasters
from mmseg_attn.errors import DataError
from mmseg_attn.io import raster_mask
from mmseg_attn.io.raster import SUFFIXES, gdal
from tests.data import rasters
from tests.libraries import needs_rasterio

pytestmark = needs_rasterio
CLASSES, PALETTE = ['water', 'park & <wood>', 'field'], [[0, 0, 250], [0, 120, 0], [220, 200, 90]]
BANDS = ['SR_B4', 'SR_B3', 'SR_B2', 'SR_B5']
WINDOW = 32, 24


def make_config(**changes) -> Config:
    pipeline = [
        dict(type='LoadRaster', bands=BANDS, scale='file'),
        dict(type='LoadRasterAnnotations', num_classes=3),
        dict(type='PackSegInputs'),
    ]
    channels = [2, 3, 4]
    cfg = Config(
        dict(
            default_scope='mmseg',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', mean=[0.05] * 4, std=[0.05] * 4),
                backbone=dict(type='UNetEncoder', in_channels=4, channels=channels),
                decode_head=dict(
                    type='UNetHead',
                    in_channels=channels,
                    num_classes=3,
                    loss_decode=dict(type='CrossEntropyLoss'),
                ),
                test_cfg=dict(mode='whole'),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='BaseSegDataset',
                    metainfo=dict(classes=CLASSES, palette=PALETTE),
                    pipeline=pipeline,
                )
            ),
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """Weights of two models with which all classes occur."""
    init_default_scope('mmseg')
    files = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = MODELS.build(make_config().model)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.4)
        files.append(tmp_path_factory.mktemp('weights') / f'{seed}.pth')
        torch.save(dict(state_dict=model.state_dict()), files[-1])
    return files


@pytest.fixture
def run(checkpoints, tmp_path):
    """Predict the files of tmp_path/in; return the outcome, the results and the predictor."""
    (tmp_path / 'in').mkdir()

    def run(cfg=None, *, polygons=False, eight_bit=False, maps=(), **settings):
        settings = dict(window=WINDOW) | settings
        predictor = Predictor(cfg or make_config(), checkpoints[0], maps=maps, **settings)
        folder = tmp_path / 'out'
        folder.mkdir()
        written = MapResults(folder, classes=predictor.classes, names=maps) if maps else None
        results = Results(folder, classes=predictor.classes, palette=predictor.palette)
        items, _ = find_items([tmp_path / 'in'], exclude=folder, suffixes=SUFFIXES)
        windowed = RasterPredictor(predictor, eight_bit=eight_bit)
        predictions = predict_rasters(windowed, items, results, polygons=polygons, maps=written)
        return predictions, results, predictor

    return run


def mask_of(results, name='a') -> np.ndarray:
    import rasterio

    with rasterio.open(results.folder / f'masks/{name}.tif') as dataset:
        return dataset.read(1)


def in_memory(predictor, path) -> np.ndarray:
    """Labels of the whole image, by the way of all other images."""
    image = predictor.loader.transform(dict(img_path=str(path)))['img']
    ((_, labels),) = predictor([('x', image)])
    return labels


@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(blend='uniform'),
        dict(window=(128, 128)),
        dict(thresholds=dict(field=0.2)),
        dict(members=True),
        dict(padding=dict(size_divisor=32)),
        dict(padding=dict(size=(96, 40))),
    ],
    ids=str,
)
def test_labels_are_those_of_the_same_pixels_in_memory(run, tmp_path, checkpoints, settings):
    values = rasters.landsat(tmp_path / 'in/a.tif', 70, 90)
    cfg = make_config()
    settings = dict(settings)
    if padding := settings.pop('padding', None):
        cfg.model.data_preprocessor.test_cfg = padding
    if settings.pop('members', False):
        settings['members'] = [(make_config(), checkpoints[1])]
    predictions, results, predictor = run(cfg, **settings)
    assert predictions.failed == {}
    expected = in_memory(predictor, tmp_path / 'in/a.tif')
    valid = values[0] > 0
    np.testing.assert_array_equal(mask_of(results), np.where(valid, expected, 255))
    counts = np.bincount(expected[valid], minlength=3)
    assert (counts > 0).sum() > 1
    assert results.pixels.tolist() == counts.tolist()


@pytest.mark.parametrize('members', [False, True])
def test_maps_are_those_of_the_same_pixels_in_memory(run, tmp_path, checkpoints, members):
    import rasterio

    path = tmp_path / 'in/a.tif'
    rasters.landsat(path)
    more = dict(members=[(make_config(), checkpoints[1])]) if members else {}
    _, results, predictor = run(maps=['probabilities', 'entropy'], **more)
    image = predictor.loader.transform(dict(img_path=str(path)))['img']
    ((_, expected),) = predictor.predict([('x', image)])
    p, entropy = expected.maps['probabilities'], expected.maps['entropy'][0]
    valid = mask_of(results) != 255
    assert 0 < valid.mean() < 1
    folders = ['0_water', '1_park-wood-', '2_field']
    places = [(f'probabilities/{name}', p[i], 1) for i, name in enumerate(folders)]
    for place, values, largest in [*places, ('entropy', entropy, math.log(3))]:
        with rasterio.open(path) as scene, rasterio.open(results.folder / place / 'a.tif') as file:
            stored = file.read(1)
            assert (file.crs, file.transform) == (scene.crs, scene.transform)
            assert (file.dtypes, file.nodata) == (('uint8',), 255)
            assert file.scales == pytest.approx((largest / 254,))
        assert (stored[~valid] == 255).all()
        assert np.ptp(stored[valid]) > 50
        np.testing.assert_allclose(
            stored[valid] * (largest / 254), values[valid], atol=largest / 500
        )
    assert (results.folder / 'uncertain/a.png').is_file()
    with (results.folder / 'uncertainty.csv').open(newline='') as file:
        (row,) = csv.DictReader(file)
    assert float(row['mean_entropy']) == pytest.approx(entropy[valid].mean(), rel=1e-4)
    below = 100 * (p.max(axis=0)[valid] < 0.9).mean()
    assert float(row['percent_below_0.9']) == pytest.approx(below, abs=0.02)


def test_a_raster_without_data_has_no_uncertainty(run, tmp_path):
    values = np.zeros((5, 64, 96), np.uint16)
    place = dict(names=rasters.NAMES, nodata=0, **rasters.LANDSAT)
    rasters.write_raster(tmp_path / 'in/a.tif', values, **place)
    _, results, _ = run(maps=['entropy'])
    with (results.folder / 'uncertainty.csv').open(newline='') as file:
        (row,) = csv.DictReader(file)
    assert (row['mean_entropy'], row['percent_below_0.9']) == ('', '')


def test_windows_without_data_are_not_predicted(run, tmp_path):
    values = np.zeros((5, 64, 96), np.uint16)
    values[:, :, 80:] = 9000
    rasters.write_raster(
        tmp_path / 'in/a.tif', values, names=rasters.NAMES, nodata=0, **rasters.LANDSAT
    )
    _, results, predictor = run()
    assert predictor.windows.total == 15
    assert predictor.windows.done == 3  # the last of each row
    assert (mask_of(results)[:, :80] == 255).all()
    assert (mask_of(results)[:, 80:] < 3).all()


def test_the_mask_has_coordinates_colors_and_names(run, tmp_path):
    import rasterio
    from rasterio.shutil import copy

    values = rasters.landsat(tmp_path / 'in/a.tif')
    _, results, _ = run()
    with (
        rasterio.open(tmp_path / 'in/a.tif') as image,
        rasterio.open(results.folder / 'masks/a.tif') as mask,
    ):
        assert (mask.crs, mask.transform, mask.shape) == (image.crs, image.transform, image.shape)
        assert mask.crs.to_epsg() == 32633
        assert (mask.count, mask.dtypes, mask.nodata) == (1, ('uint8',), 255)
        assert mask.profile['tiled']
        assert mask.compression.name == 'deflate'
        colors = mask.colormap(1)
        assert [list(colors[i]) for i in range(3)] == [[*color, 255] for color in PALETTE]
        assert mask.descriptions == ('class',)
        assert [mask.tags(1)[f'class_{i}'] for i in range(3)] == CLASSES
        np.testing.assert_array_equal(mask.dataset_mask() > 0, values[0] > 0)
        copy(mask, tmp_path / 'a.vrt', driver='VRT')
    named = (tmp_path / 'a.vrt').read_text()  # GDAL's category names
    names = ('water', 'park &amp; &lt;wood&gt;', 'field')
    assert all(f'<Category>{name}</Category>' in named for name in names)
    rows = list(csv.DictReader((results.folder / 'pixels.csv').open()))
    assert [row['mask'] for row in rows] == ['masks/a.tif'] * 3
    assert [int(row['pixels']) for row in rows] == results.pixels.tolist()
    assert float(rows[0]['area_mm2']) == int(rows[0]['pixels']) * 900e6
    assert (results.folder / 'overlays/a.png').is_file()


def test_ground_control_points_are_kept(run, tmp_path):
    import rasterio
    from rasterio.control import GroundControlPoint as Point

    points = [Point(r, c, 15 + c / 9, 48 - r / 9) for r in (0, 40) for c in (0, 50)]
    values = rasters.landsat_values(40, 50)[:4]
    rasters.write_raster(
        tmp_path / 'in/a.tif', values, transform=None, gcps=points, crs='EPSG:4326', names=BANDS
    )
    predictions, results, _ = run(polygons=True)
    (note,) = predictions.notes
    assert note.startswith('no polygons are written')
    with rasterio.open(results.folder / 'masks/a.tif') as mask:
        found, crs = mask.gcps
        assert crs.to_epsg() == 4326
        assert [(p.row, p.col, p.x, p.y) for p in found] == [
            (p.row, p.col, pytest.approx(p.x), pytest.approx(p.y)) for p in points
        ]


def test_a_raster_without_coordinates_is_predicted_and_noted(run, tmp_path):
    values = rasters.landsat_values(40, 50)
    profile = dict(crs=None, transform=None, names=rasters.NAMES, **rasters.LANDSAT)
    rasters.write_raster(tmp_path / 'in/a.tif', values, **profile)
    predictions, results, _ = run(polygons=True)
    (note,) = predictions.notes
    assert note.startswith('no coordinate reference system, so the mask has none')
    assert mask_of(results).shape == (40, 50)
    assert not (results.folder / 'polygons').exists()
    assert predictions.without_area == 1


def test_what_cannot_be_predicted_is_told_and_the_others_are(run, tmp_path):
    rasters.landsat(tmp_path / 'in/a.tif', 64, 64)
    data = bytearray((tmp_path / 'in/a.tif').read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b'\xff' * 400
    (tmp_path / 'in/broken.tif').write_bytes(data)
    values = rasters.landsat_values(40, 50)
    rasters.write_raster(tmp_path / 'in/nameless.tif', values)
    rasters.write_raster(tmp_path / 'in/z.tif', values, names=rasters.NAMES)
    predictions, results, _ = run()
    assert [path.name for path in predictions.done] == ['a.tif', 'z.tif']
    reasons = {path.name: reason for path, reason in predictions.failed.items()}
    assert 'broken.tif cannot be read in rows 24 to 55 and columns ' in reasons['broken.tif']
    assert "nameless.tif has no band 'SR_B4': its bands are 1 to 5" in reasons['nameless.tif']
    assert sorted(path.name for path in (results.folder / 'masks').iterdir()) == [
        *('a.tif', 'a.tif.aux.xml', 'z.tif', 'z.tif.aux.xml')
    ]


def test_the_number_of_bands_must_fit_the_model(run, tmp_path):
    rasters.landsat(tmp_path / 'in/a.tif', 40, 50)
    cfg = make_config()
    del cfg.test_dataloader.dataset.pipeline[0]['bands']
    predictions, _, _ = run(cfg)
    (reason,) = predictions.failed.values()
    assert 'a.tif has 5 bands (SR_B2, SR_B3, SR_B4, SR_B5, QA_PIXEL), but the model' in reason
    assert 'takes 4: name them with bands of LoadRaster' in reason


def test_values_far_from_the_training_are_counted(run, tmp_path):
    rasters.landsat(tmp_path / 'in/a.tif', 40, 50)
    cfg = make_config()
    del cfg.test_dataloader.dataset.pipeline[0]['scale']
    _, _, predictor = run(cfg)
    assert predictor.far == 1


def test_pipelines_and_models_that_need_the_whole_image_are_refused(checkpoints):
    with pytest.raises(DataError, match=r'window by window, but .* set --window 512'):
        RasterPredictor(Predictor(make_config(), checkpoints[0]))
    members = [(make_config(), checkpoints[1])]
    ensemble = Predictor(make_config(), checkpoints[0], window=WINDOW, members=members)
    ensemble.model.members[1].__class__ = EncoderDecoder  # whose windows are not of bands
    with pytest.raises(DataError, match=r'window by window, but .* set --window 512'):
        RasterPredictor(ensemble)
    cfg = make_config()
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='Resize', scale=(64, 64)))
    with pytest.raises(DataError, match='contains Resize, which may depend on the whole image'):
        RasterPredictor(Predictor(cfg, checkpoints[0], window=WINDOW))


@pytest.mark.parametrize('error', [KeyboardInterrupt(), OSError(errno.ENOSPC, 'No space left')])
def test_an_interrupted_prediction_leaves_no_mask(run, tmp_path, monkeypatch, error):
    rasters.landsat(tmp_path / 'in/a.tif', 64, 64)
    append = raster_mask.RasterMask.append

    def stop(self, *rows):
        append(self, *rows)
        if rows[0].any():
            raise error

    monkeypatch.setattr(raster_mask.RasterMask, 'append', stop)
    with pytest.raises(type(error)):
        run()
    assert list((tmp_path / 'out/masks').iterdir()) == []


def test_a_mask_that_the_disk_has_lost_is_noticed(run, tmp_path, monkeypatch):
    rasters.landsat(tmp_path / 'in/a.tif', 64, 64)
    flush = raster_mask.RasterMask.flush

    def lose(self):
        flush(self)
        self.checksum += 1

    monkeypatch.setattr(raster_mask.RasterMask, 'flush', lose)
    with pytest.raises(OSError, match=r'a\.tif was not written completely: free some space'):
        run()
    assert list((tmp_path / 'out/masks').iterdir()) == []


def test_many_classes_have_sixteen_bits(tmp_path):
    import rasterio

    values = np.zeros((1, 300, 20), np.uint8)
    rasters.write_raster(tmp_path / 'a.tif', values)
    labels = np.random.default_rng(0).integers(0, 400, (300, 20))
    valid = labels > 9
    names = dict(classes=list(map(str, range(400))), palette=[[0, 0, 0]] * 400)
    with (
        gdal(),
        raster_mask.Raster(tmp_path / 'a.tif') as raster,
        raster_mask.raster_mask(tmp_path / 'm.tif', raster, **names) as mask,
    ):
        for rows in (slice(0, 7), slice(7, 290), slice(290, 300)):
            mask.append(labels[rows], valid[rows])
    with rasterio.open(tmp_path / 'm.tif') as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.where(valid, labels, 65535))
        assert dataset.nodata == 65535


def test_a_config_of_images_reads_bands_in_the_order_of_its_loader():
    for loader, bands in (
        (dict(), [3, 2, 1]),
        (dict(color_type='grayscale'), [1]),
        (dict(imdecode_backend='tifffile'), None),
    ):
        cfg = make_config()
        steps = cfg.test_dataloader.dataset.pipeline
        steps[0] = dict(type='LoadImageFromFile', **loader)
        assert not loads_rasters(cfg)
        assert use_rasters(cfg) == (bands is not None)
        assert loads_rasters(cfg)
        assert cfg.test_dataloader.dataset.pipeline[0].get('bands') == bands
        assert not use_rasters(cfg)
    steps[0] = dict(type='LoadImageFromFile', color_type='unchanged')
    with pytest.raises(DataError, match='does not say which bands'):
        use_rasters(cfg)


def test_values_of_more_bits_are_refused_for_a_model_of_eight(run, tmp_path):
    rasters.landsat(tmp_path / 'in/a.tif', 40, 50)
    predictions, _, _ = run(eight_bit=True)
    (reason,) = predictions.failed.values()
    assert 'a.tif contains uint16 values, but the model was trained on 8 bits' in reason
