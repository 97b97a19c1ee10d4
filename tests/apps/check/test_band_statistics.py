"""Means and deviations, compared with NumPy's of all values at once."""

import numpy as np
import pytest

from mmseg_attn.apps.check import band_statistics
from mmseg_attn.errors import DataError, UsageError
from mmseg_attn.io.raster import BandRule
from tests.data import rasters
from tests.libraries import needs_rasterio
from tools.analysis_tools import band_statistics as tool

PIPELINE = 'train_dataloader.dataset.dataset.pipeline'


def test_moments_of_parts_are_those_of_all_values():
    values = np.random.default_rng(0).normal(1e6, 3, 1000)
    moments = band_statistics.Moments(['a', 'b'])
    for part in np.split(values, [1, 7, 7, 500]):
        moments.add(1, part)
    assert moments.count.tolist() == [0, 1000]
    assert moments.mean[1] == pytest.approx(values.mean(), rel=1e-14)
    assert moments.std[1] == pytest.approx(values.std(), rel=1e-9)
    assert (moments.low[1], moments.high[1]) == (values.min(), values.max())


@needs_rasterio
def test_values_without_data_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(band_statistics, 'SIZE', 16)
    scenes = [rasters.landsat(tmp_path / f'{i}.tif', 40, 50, seed=i) for i in range(2)]
    scenes[1][0, 20:30] = 0  # in one band only
    rasters.write_raster(
        tmp_path / '1.tif', scenes[1], names=rasters.NAMES, nodata=0, **rasters.LANDSAT
    )
    rule = BandRule(['SR_B2', 'SR_B5'], scale='file', fill=9)
    moments = band_statistics.band_statistics([(tmp_path / f'{i}.tif', rule) for i in range(2)])
    assert moments.names == ['SR_B2', 'SR_B5']
    for band, number in enumerate((0, 3)):
        values = np.concatenate([scene[number][scene[number] > 0] for scene in scenes])
        reflectance = values * 2.75e-05 - 0.2
        assert moments.count[band] == reflectance.size
        assert moments.mean[band] == pytest.approx(reflectance.mean(), rel=1e-6)
        assert moments.std[band] == pytest.approx(reflectance.std(), rel=1e-6)


@needs_rasterio
def test_the_lines_to_paste(tmp_path, capsys):
    values = np.array([[[1, 3, 0]], [[10, 10, 40]]], np.uint8)
    rasters.write_raster(tmp_path / 'in/a.tif', values, names=('red', 'nir'))
    tool.main([str(tmp_path / 'in'), '--bands', 'nir', '1', '--nodata', '0', '--scale', '2'])
    pasted = capsys.readouterr().out.partition('\n\ndata')[2]
    namespace = {}
    exec(f'data{pasted}', namespace)
    found = namespace['data_preprocessor']
    assert found == dict(mean=[40.0, 4.0], std=[pytest.approx(28.2843, rel=1e-5), 2.0])


@needs_rasterio
def test_a_config_has_its_training_split_and_bands(tmp_path, capsys):
    rasters.landsat(tmp_path / 'img/a.tif', 40, 50)
    (tmp_path / 'c.py').write_text(
        "train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(\n"
        f"    type='BaseSegDataset', data_root={str(tmp_path)!r}, img_suffix='.tif',\n"
        "    data_prefix=dict(img_path='img'), metainfo=dict(classes=('a', 'b')),\n"
        "    pipeline=[dict(type='LoadRaster', bands=['SR_B5'], crop_size=(8, 8))])))\n"
    )
    tool.main([str(tmp_path / 'c.py')])
    assert '1 raster, 1 band\n' in capsys.readouterr().out
    with pytest.raises(UsageError, match='--bands does not go with a config'):
        tool.main([str(tmp_path / 'c.py'), '--bands', '1'])
    with pytest.raises(DataError, match=r'BaseSegDataset has no LoadRaster: name rasters'):
        tool.main([str(tmp_path / 'c.py'), '--cfg-options', f'{PIPELINE}=[]'])


@needs_rasterio
def test_files_that_do_not_go_together_are_named(tmp_path):
    rasters.write_raster(tmp_path / 'a.tif', np.ones((1, 4, 4), np.uint8))
    rasters.write_raster(tmp_path / 'b.tif', np.ones((2, 4, 4), np.uint8))
    both = [(tmp_path / name, BandRule()) for name in ('a.tif', 'b.tif')]
    with pytest.raises(DataError, match=r'b\.tif has 2 bands, but .*a\.tif has 1'):
        band_statistics.band_statistics(both)
    with pytest.raises(DataError, match='the band 1 has no data in any file'):
        band_statistics.band_statistics([(tmp_path / 'a.tif', BandRule(nodata=1))])
    with pytest.raises(DataError, match='contain no rasters'):
        band_statistics.band_statistics([])
