"""Rasters in the prediction tool, compared with the same pixels as other files."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_attn.errors import DataError, UsageError
from tests.data import rasters
from tests.libraries import needs_rasterio
from tools import predict

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
pytestmark = needs_rasterio


@pytest.fixture
def place(root, tmp_path, monkeypatch):
    """An image as PNG and as GeoTIFF, and a model of gray images of 8 bits."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
    Image.fromarray(pixels).save('a.png')
    rasters.write_raster(tmp_path / 'scene/a.tif', pixels[None])
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(root / CONFIG).model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=0.5)
    torch.save(model.state_dict(), 'x.pth')
    return [str(root / CONFIG), 'x.pth']


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as end:
        predict.main([*words, '--device', 'cpu', '--window', '48'])
    return end.value.code


def test_a_raster_has_the_labels_of_the_same_png(place, tmp_path, capsys):
    assert run(*place, 'a.png', '--out', 'png') == 0
    assert run(*place, 'scene', '--out', 'out', '--raster', '--polygons') == 0
    mask = np.asarray(Image.open(tmp_path / 'out/masks/a.tif'))
    np.testing.assert_array_equal(mask, np.asarray(Image.open(tmp_path / 'png/masks/a.png')))
    assert len(np.unique(mask)) > 1
    assert 'out: masks, overlays and pixels.csv of 1 file' in capsys.readouterr().out
    features = json.loads((tmp_path / 'out/polygons/a.geojson').read_text())['features']
    assert sum(feature['properties']['pixels'] for feature in features) == mask.size
    settings = json.loads((tmp_path / 'out/conversion.json').read_text())
    assert settings['settings']['polygons'] is True
    assert set(settings['files']) == {
        *('masks/a.tif', 'masks/a.tif.aux.xml', 'overlays/a.png', 'pixels.csv'),
        'polygons/a.geojson',
    }


def test_options_that_need_whole_images_are_refused(place, monkeypatch):
    monkeypatch.delattr(predict, 'Predictor')
    words = [*place, 'scene', '--out', 'out']
    with pytest.raises(UsageError, match='--objects does not work with rasters'):
        predict.main([*words, '--raster', '--objects', 'water'])
    with pytest.raises(UsageError, match='--save disagreement does not work with rasters'):
        predict.main([*words, '--raster', '--save', 'entropy', 'disagreement'])
    with pytest.raises(UsageError, match='--polygons needs coordinates: add --raster'):
        predict.main([*words, '--polygons'])


def test_polygons_are_not_lost_by_the_command_without_them(place):
    assert run(*place, 'scene', '--out', 'out', '--raster', '--polygons') == 0
    with pytest.raises(DataError, match='contains polygons, which would be lost: add --polygons'):
        predict.main([*place, 'scene', '--out', 'out', '--raster'])
