"""Rasters, compared with what rasterio and GDAL wrote."""

import numpy as np
import pytest
from PIL import Image

from mmseg_attn.errors import DamagedError, DataError, UnsupportedError, UsageError
from mmseg_attn.io import raster as io_raster
from mmseg_attn.io.raster import BandRule, Raster, gdal, windows
from tests.data import rasters
from tests.libraries import needs_rasterio

pytestmark = needs_rasterio
UTM33 = 'EPSG:32633'


def read(path, rule=None, rows=None, columns=None, step=1):
    with gdal(), Raster(path, rule) as raster:
        whole = raster.whole
        return raster.read(rows or whole[0], columns or whole[1], step=step)


def test_bands_by_name_and_number_with_the_scale_of_the_file(tmp_path):
    values = rasters.landsat(tmp_path / 'a.tif')
    image, valid = read(tmp_path / 'a.tif', BandRule(['SR_B4', 2, 'SR_B2'], scale='file'))
    assert image.dtype == np.float32
    expected = np.moveaxis(values[[2, 1, 0]] * 2.75e-05 - 0.2, 0, 2)
    np.testing.assert_array_equal(valid, values[0] > 0)
    assert 0 < valid.mean() < 1
    np.testing.assert_allclose(image[valid], expected[valid], atol=1e-6)
    assert (image[~valid] == 0).all()


def test_numbers_for_scale_offset_nodata_and_fill(tmp_path):
    values = np.array([[[0, 1000, 3000]], [[7, 0, 11000]]], np.uint16)
    rasters.write_raster(tmp_path / 'a.tif', values)  # names no nodata, as Sentinel-2's JPEG 2000
    rule = BandRule(scale=1e-4, offset=[-0.1, 0.5], nodata=0, fill=-1)
    image, valid = read(tmp_path / 'a.tif', rule)
    np.testing.assert_allclose(image[0], [[-1, 0.5007], [0, -1], [0.2, 1.6]], atol=1e-6)
    assert valid.tolist() == [[True, True, True]]  # one band has data
    image, valid = read(tmp_path / 'a.tif', BandRule([1], nodata=0))
    np.testing.assert_array_equal(image[0, :, 0], values[0, 0])
    assert valid.tolist() == [[False, True, True]]


def test_bytes_stay_bytes_and_transparency_is_no_band(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (4, 5, 6), np.uint8)
    values[3] = 255
    values[3, 0, 0] = 0
    options = dict(photometric='RGB', alpha='YES')
    rasters.write_raster(tmp_path / 'a.tif', values, **options)
    image, valid = read(tmp_path / 'a.tif')
    assert image.dtype == np.uint8
    assert not valid[0, 0]
    assert valid.sum() == 29
    np.testing.assert_array_equal(image[valid], np.moveaxis(values[:3], 0, 2)[valid])


def test_numbers_that_are_not_finite_are_no_data(tmp_path):
    values = np.array([[[np.nan, np.inf, 2.5]]], np.float64)
    rasters.write_raster(tmp_path / 'a.tif', values, nodata=-9999.0)
    image, valid = read(tmp_path / 'a.tif')
    assert image[..., 0].tolist() == [[0, 0, 2.5]]
    assert valid.tolist() == [[False, False, True]]


def test_windows_are_those_of_the_whole(tmp_path):
    rasters.landsat(tmp_path / 'a.tif', 37, 53)
    whole, _ = read(tmp_path / 'a.tif', BandRule(scale='file'))
    covered = np.zeros((37, 53), int)
    for rows, columns in windows(37, 53, 16):
        part, _ = read(tmp_path / 'a.tif', BandRule(scale='file'), rows, columns)
        np.testing.assert_array_equal(part, whole[rows, columns])
        covered[rows, columns] += 1
    assert (covered == 1).all()
    assert read(tmp_path / 'a.tif', step=4)[0].shape == (10, 14, 5)


@pytest.mark.parametrize('kind', ['COG', 'JP2OpenJPEG', 'VRT'])
def test_other_formats(tmp_path, kind):
    from rasterio.shutil import copy

    values = rasters.landsat_values(64, 64)
    rasters.write_raster(tmp_path / 'a.tif', values)
    lossless = dict(QUALITY='100', REVERSIBLE='YES') if kind == 'JP2OpenJPEG' else {}
    file = tmp_path / 'b'
    copy(tmp_path / 'a.tif', file, driver=kind, **lossless)
    image, _ = read(file)
    np.testing.assert_array_equal(image, np.moveaxis(values, 0, 2))


@pytest.mark.parametrize(
    ('rule', 'message'),
    [
        (
            dict(bands=['SR_B9']),
            r"has no band 'SR_B9': its bands are 1 to 5, and their .* QA_PIXEL",
        ),
        (dict(bands=[0]), 'has no band 0: its bands are 1 to 5'),
        (dict(bands=[6]), 'has no band 6'),
        (dict(bands=[]), 'has no bands of real numbers'),
        (dict(scale=[1, 2]), r'scale of LoadRaster is \[1, 2\], but 5 bands are read'),
        (dict(offset=float('nan')), 'offset of LoadRaster is nan'),
    ],
)
def test_bands_that_are_not_there(tmp_path, rule, message):
    rasters.landsat(tmp_path / 'a.tif', 8, 8)
    with pytest.raises(DataError, match=message):
        read(tmp_path / 'a.tif', BandRule(**rule))


@pytest.mark.parametrize('kind', ['complex64', 'complex_int16'])
def test_complex_numbers_are_refused(tmp_path, kind):
    rasters.write_raster(tmp_path / 'a.tif', np.ones((1, 4, 4), np.complex64), dtype=kind)
    with pytest.raises(UnsupportedError, match=rf'no bands of real numbers \({kind}\)'):
        read(tmp_path / 'a.tif')


def test_a_broken_tile_is_named(tmp_path):
    rasters.landsat(tmp_path / 'a.tif', 48, 48)
    data = bytearray((tmp_path / 'a.tif').read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b'\xff' * 400
    (tmp_path / 'a.tif').write_bytes(data)
    assert read(tmp_path / 'a.tif', None, slice(0, 16))[0].shape == (16, 48, 5)
    with pytest.raises(DamagedError, match=r'a\.tif cannot be read in rows 16 to 47 and columns 0'):
        read(tmp_path / 'a.tif', None, slice(16, 48))
    (tmp_path / 'a.tif').write_bytes(b'II*\0' + b'\0' * 9)
    with pytest.raises(DamagedError, match=r'a\.tif cannot be opened as a raster'):
        read(tmp_path / 'a.tif')


def test_the_area_of_a_pixel(tmp_path):
    for name, crs, expected in (
        ('meters', UTM33, 900),
        ('feet', 'EPSG:2263', 900 * (1200 / 3937) ** 2),
        ('degrees', 'EPSG:4326', None),
        ('mercator', 'EPSG:3857', None),
        ('world mercator', 'EPSG:3395', None),
        ('nowhere', None, None),
    ):
        path = rasters.write_raster(tmp_path / f'{name}.tif', np.ones((1, 4, 4)), crs=crs)
        with gdal(), Raster(path) as raster:
            assert raster.pixel_area == (expected and pytest.approx(expected))


def test_grids_agree_within_a_hundredth_of_a_pixel(tmp_path):
    from rasterio import Affine

    def grid(**profile):
        path = rasters.write_raster(tmp_path / 'a.tif', np.ones((1, 4, 5)), **profile)
        with gdal(), Raster(path) as raster:
            return raster.grid

    own = grid()
    assert own.agrees(grid(transform=Affine(30, 0, 499980.2, 0, -30, 5300040)))
    assert not own.agrees(grid(transform=Affine(30, 0, 499981, 0, -30, 5300040)))
    assert not own.agrees(grid(crs='EPSG:32634'))
    assert own.agrees(grid(crs=None))
    assert not own.agrees(own._replace(width=6))


def test_a_missing_library_is_named(monkeypatch):
    with pytest.raises(UsageError, match=r'mmseg_attn\[geo\].*pip install rasterio "numpy=='):
        io_raster.rasterio_library('rasterio.no_such_module')


def test_near_infrared_in_the_fourth_band_is_no_transparency_where_it_is_chosen(tmp_path):
    values = np.random.default_rng(0).integers(1, 256, (4, 5, 6), np.uint8)
    values[3, :2] = 0  # water
    rasters.write_raster(tmp_path / 'a.tif', values, photometric='RGB', alpha='YES')
    image, valid = read(tmp_path / 'a.tif', BandRule([1, 2, 3, 4]))
    assert valid.all()
    np.testing.assert_array_equal(image, np.moveaxis(values, 0, 2))
    assert read(tmp_path / 'a.tif', BandRule([1, 2]))[1].mean() == 0.6


def test_bands_of_different_types(tmp_path):
    from rasterio.shutil import copy

    values = np.array([[[1, 60000]], [[3, 4]]], np.uint16)
    rasters.write_raster(tmp_path / 'a.tif', values)
    copy(tmp_path / 'a.tif', tmp_path / 'a.vrt', driver='VRT')
    text = (tmp_path / 'a.vrt').read_text().replace('"UInt16" band="2"', '"Float32" band="2"')
    (tmp_path / 'a.vrt').write_text(text)
    image, _ = read(tmp_path / 'a.vrt')
    assert image.tolist() == [[[1, 3], [60000, 4]]]


def test_pages_are_not_left_out(tmp_path):
    tifffile = pytest.importorskip('tifffile')
    pages = np.zeros((3, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / 'a.tif', pages, metadata=None, photometric='minisblack')
    with pytest.raises(UnsupportedError, match=r'a\.tif has 3 pages, and a raster has one: save'):
        read(tmp_path / 'a.tif')
    with tifffile.TiffWriter(tmp_path / 'b.tif') as file:  # a slide with a thumbnail
        file.write(pages[0], metadata=None)
        file.write(pages[0, ::2, ::2].copy(), metadata=None)
    assert read(tmp_path / 'b.tif')[0].shape == (20, 30, 1)


def test_a_damaged_later_page_is_told(tmp_path):
    tifffile = pytest.importorskip('tifffile')
    pages = np.zeros((2, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / 'a.tif', pages, metadata=None, photometric='minisblack')
    with tifffile.TiffFile(tmp_path / 'a.tif') as file:
        end = file.pages[1].offset + 6
    data = (tmp_path / 'a.tif').read_bytes()
    (tmp_path / 'a.tif').write_bytes(data[:end])
    with pytest.raises(DamagedError, match=r'a\.tif has a page that cannot be read \(.*: get it'):
        read(tmp_path / 'a.tif')


def test_a_png_that_is_cut_off_is_refused_also_as_a_whole(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(read(tmp_path / 'a.png')[0], noise)
    data = (tmp_path / 'a.png').read_bytes()
    (tmp_path / 'a.png').write_bytes(data[: len(data) // 2])
    for columns in (None, slice(0, 32)):
        with pytest.raises(DamagedError, match=r'a\.png cannot be read in rows 0 to 63.*: get it'):
            read(tmp_path / 'a.png', columns=columns)
