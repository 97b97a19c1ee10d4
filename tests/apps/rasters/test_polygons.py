"""Polygons, drawn again by GDAL, and areas, integrated over the ellipsoid."""

import json

import numpy as np
import pytest

from mmseg_attn.apps.rasters.polygons import E2, A, split, surface, write_polygons
from mmseg_attn.errors import DataError
from tests.data import rasters
from tests.libraries import needs_rasterio

CLASSES = ['water', 'wood', 'field']


def write(tmp_path, labels, **profile) -> list[dict]:
    profile = dict(nodata=255) | profile
    mask = rasters.write_raster(tmp_path / 'm.tif', labels[None].astype(np.uint8), **profile)
    count = write_polygons(tmp_path / 'm.geojson', mask, classes=CLASSES)
    content = json.loads((tmp_path / 'm.geojson').read_text())
    assert content.keys() == {'type', 'features'}  # RFC 7946 has no crs
    assert count == len(content['features'])
    return content['features']


def blobs(height, width, seed=0) -> np.ndarray:
    """Regions with holes, of three classes and no data."""
    noise = np.random.default_rng(seed).normal(size=(height // 4 + 1, width // 4 + 1))
    smooth = np.kron(noise, np.ones((4, 4)))[:height, :width]
    labels = np.digitize(smooth, [-0.3, 0.8])
    labels[smooth > 1.5] = 255
    return labels


@needs_rasterio
@pytest.mark.parametrize('crs', ['EPSG:32633', 'EPSG:3035'])
def test_polygons_cover_the_pixels_of_their_class(tmp_path, crs):
    import rasterio
    from rasterio.features import rasterize
    from rasterio.warp import transform_geom

    labels = blobs(60, 300)
    profile = (
        {}
        if crs.endswith('33')
        else dict(
            transform=rasterio.Affine(20, 5, 4400000, 5, -20, 2800000)  # rotated
        )
    )
    features = write(tmp_path, labels, crs=crs, **profile)
    with rasterio.open(tmp_path / 'm.tif') as dataset:
        grid = dict(out_shape=dataset.shape, transform=dataset.transform)
    shapes = [
        (transform_geom('EPSG:4326', crs, each['geometry']), each['properties']['label'])
        for each in features
    ]
    np.testing.assert_array_equal(rasterize(shapes, fill=255, dtype='uint8', **grid), labels)
    pixels = np.zeros(3, int)
    for properties in (each['properties'] for each in features):
        assert properties['class'] == CLASSES[properties['label']]
        pixels[properties['label']] += properties['pixels']
    assert pixels.tolist() == np.bincount(labels[labels < 255], minlength=3).tolist()


@needs_rasterio
def test_rings_are_closed_and_turn_as_the_standard_says(tmp_path):
    labels = np.ones((9, 9))
    labels[3:6, 3:6] = 0
    labels[4, 4] = 255
    features = write(tmp_path, labels)
    assert len(features) == 2
    for feature in features:
        outer, hole = map(np.array, feature['geometry']['coordinates'])
        assert (outer[0] == outer[-1]).all()
        x, y = (outer - outer[0]).T
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # counterclockwise
        x, y = (hole - hole[0]).T
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() < 0
    assert sorted(each['properties']['pixels'] for each in features) == [8, 72]


@needs_rasterio
def test_pixels_that_touch_at_a_corner_are_separate_regions(tmp_path):
    features = write(tmp_path, np.where(np.eye(2), 0, 255))
    assert [each['properties']['pixels'] for each in features] == [1, 1]


@needs_rasterio
def test_areas_are_those_on_the_ellipsoid(tmp_path):
    features = write(tmp_path, np.zeros((40, 50)))
    (area,) = (each['properties']['area_m2'] for each in features)
    assert area == pytest.approx(2000 * 900 / 0.9996**2, rel=1e-6)  # UTM near its meridian


def test_the_area_of_a_cell_is_the_integral_over_it():
    south, north, width = 47.0, 48.5, 0.25
    latitude = np.radians(np.linspace(south, north, 10001))
    w = 1 - E2 * np.sin(latitude) ** 2
    density = A**2 * (1 - E2) * np.cos(latitude) / w**2  # M N cos(latitude)
    integral = np.trapezoid if hasattr(np, 'trapezoid') else np.trapz
    expected = integral(density, latitude) * np.radians(width)
    ring = np.array(
        [[10, south], [10 + width, south], [10 + width, north], [10, north], [10, south]]
    )
    assert surface(ring) == pytest.approx(expected, rel=1e-8)
    assert surface(ring[::-1]) == pytest.approx(-expected, rel=1e-8)


def test_long_edges_get_points_where_they_cross_rows_and_columns():
    ring = np.array([[5, 0], [300, 0], [300, 128], [5, 128], [5, 0]])
    assert split(ring).tolist() == [
        *([5, 0], [128, 0], [256, 0], [300, 0], [300, 128]),
        *([256, 128], [128, 128], [5, 128], [5, 0]),
    ]


@needs_rasterio
def test_a_local_system_and_points_beside_the_earth_are_refused(tmp_path):
    import rasterio

    local = rasterio.crs.CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    space = '+proj=geos +h=35785831 +lon_0=0 +sweep=y'
    corner = rasterio.Affine(1000, 0, 5.4e6, 0, -1000, 5.5e6)
    for profile in (dict(crs=local), dict(crs=space, transform=corner), dict(crs=None)):
        with pytest.raises(DataError, match='no polygons are written, as some coordinates have no'):
            write(tmp_path, np.zeros((5, 5)), **profile)
        assert not (tmp_path / 'm.geojson').exists()


@needs_rasterio
def test_a_region_across_the_date_line_has_no_jump(tmp_path):
    import rasterio

    features = write(
        tmp_path,
        np.zeros((10, 10)),
        crs='EPSG:32601',
        transform=rasterio.Affine(30000, 0, 150000, 0, -30000, 7000000),
    )
    ring = np.array(features[0]['geometry']['coordinates'][0])
    assert ring[:, 0].min() < 180 < ring[:, 0].max() < 190


def of_the_globe(latitude: float) -> float:
    """The area of the ellipsoid between the equator and a latitude, for all longitudes."""
    x = np.radians(np.linspace(0, latitude, 10001))
    density = A**2 * (1 - E2) * np.cos(x) / (1 - E2 * np.sin(x) ** 2) ** 2
    return float(2 * np.pi * ((density[:-1] + density[1:]) / 2 * np.diff(x)).sum())


@needs_rasterio
@pytest.mark.parametrize('west', [-180, -150])
def test_regions_wider_than_half_the_earth(tmp_path, west):
    import rasterio

    place = dict(crs='EPSG:4326', transform=rasterio.Affine(1, 0, west, 0, -1, 45))
    (feature,) = write(tmp_path, np.zeros((90, -2 * west)), **place)
    (ring,) = feature['geometry']['coordinates']
    longitudes = [x for x, _ in ring]
    assert (min(longitudes), max(longitudes)) == (west, -west)
    expected = 2 * of_the_globe(45) * -2 * west / 360
    assert feature['properties']['area_m2'] == pytest.approx(expected, rel=1e-6)


@needs_rasterio
def test_a_region_around_a_pole_has_no_polygon(tmp_path):
    import rasterio

    place = dict(crs='EPSG:3031', transform=rasterio.Affine(10000, 0, -500000, 0, -10000, 500000))
    with pytest.raises(DataError, match='as a region surrounds a pole: use the mask'):
        write(tmp_path, np.zeros((100, 100)), **place)


@needs_rasterio
@pytest.mark.parametrize(('west', 'expected'), [(250, (-110, -100)), (175, (175, 185))])
def test_longitudes_from_0_to_360(tmp_path, west, expected):
    import rasterio

    place = dict(crs='EPSG:4326', transform=rasterio.Affine(1, 0, west, 0, -1, 45))
    (feature,) = write(tmp_path, np.zeros((5, 10)), **place)
    longitudes = [x for x, _ in feature['geometry']['coordinates'][0]]
    assert (min(longitudes), max(longitudes)) == expected


@needs_rasterio
def test_a_hole_lies_in_its_ring_across_the_date_line(tmp_path):
    import rasterio

    labels = np.zeros((20, 30))
    labels[5:15, 20:28] = 255
    place = dict(crs='EPSG:3832', transform=rasterio.Affine(50000, 0, 2700000, 0, -50000, 500000))
    (feature,) = write(tmp_path, labels, **place)
    outer, hole = map(np.array, feature['geometry']['coordinates'])
    assert outer[:, 0].min() < 180 < outer[:, 0].max()
    assert outer[:, 0].min() < hole[:, 0].min() < hole[:, 0].max() < outer[:, 0].max()
