"""Write the regions of a mask as polygons in GeoJSON (RFC 7946), and measure them.

A polygon follows the edges of pixels. RFC 7946 wants longitude and latitude on WGS84. A straight
edge in the coordinates of a raster is curved there, so long edges get further points where they
cross every ``SPLIT``-th row or column.

Areas are those on the WGS84 ellipsoid, for every coordinate reference system. Between the
longitudes l1 < l2 and the latitudes p1 < p2, the ellipsoid with the semi-axis a and the
eccentricity e has the area (Snyder, "Map Projections: A Working Manual", 1987, equation 3-12):

    a² (l2 - l1) (q(p2) - q(p1)) / 2
    q(p) = (1 - e²) (sin p / (1 - e² sin² p) - ln((1 - e sin p) / (1 + e sin p)) / (2 e))

So the area of a polygon is the integral of -a² q(p) / 2 over its longitudes, counterclockwise.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...io.atomic import atomic_path
from ...io.raster import Grid, rasterio_library

SPLIT = 128  # rows and columns
DECIMALS = 9  # of degrees: 0.1 mm
WGS84 = 'EPSG:4326'
A, FLATTENING = 6378137.0, 1 / 298.257223563
E2 = FLATTENING * (2 - FLATTENING)


def write_polygons(file: Path, mask: Path, *, classes: Sequence[str]) -> int:
    """Write the regions of a mask as polygons.

    Pixels that touch at a corner only are separate regions. Each feature has the properties
    ``class``, ``label``, ``pixels`` and ``area_m2``. Pixels without data belong to no polygon.

    Args:
        file: The GeoJSON file.
        mask: A label raster with a coordinate reference system.
        classes: Names of the classes.

    Returns:
        The number of polygons.

    Raises:
        DataError: If a pixel has no longitude and latitude.
        OSError: If the file cannot be written.
    """
    rasterio = rasterio_library()
    count = 0
    with (
        atomic_path(file) as unfinished,
        rasterio.open(mask) as dataset,
        unfinished.open('w', encoding='utf-8') as stream,
    ):
        grid = Grid(dataset.height, dataset.width, dataset.crs, dataset.transform)
        if grid.crs is None:
            raise DataError(_no_degrees('ground control points alone'))
        stream.write('{"type": "FeatureCollection", "features": [')
        for label, rings in _regions(dataset, grid):
            feature = _feature(label, rings, grid, classes)
            stream.write(f'{"," if count else ""}\n{json.dumps(feature, ensure_ascii=False)}')
            count += 1
        stream.write('\n]}\n')
    return count


def _regions(dataset: Any, grid: Grid) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield the label and the rings of each region, ``(points, 2)`` as column and row."""
    band = rasterio_library().band(dataset, 1)
    inverse = grid._replace(transform=~grid.transform)  # rasterio returns coordinates
    for shape, value in rasterio_library('rasterio.features').shapes(band, connectivity=4):
        if value != dataset.nodata:
            rings = [inverse.coordinates(*np.array(ring).T) for ring in shape['coordinates']]
            yield int(value), [np.rint(np.stack(ring, axis=1)).astype(int) for ring in rings]


def _feature(label: int, rings: list[np.ndarray], grid: Grid, classes: Sequence[str]) -> dict:
    pixels = abs(_area(rings[0])) - sum(abs(_area(ring)) for ring in rings[1:])
    places = [_degrees(split(ring), grid) for ring in rings]
    outer = places[0][:, 0]
    for place in places:  # holes beside their ring, and 190 degrees east as 170 west
        place[:, 0] += 360 * np.round((outer.mean() - place[:, 0].mean()) / 360)
    for place in places if outer.min() >= 180 else ():
        place[:, 0] -= 360
    areas = [surface(ring) for ring in places]
    oriented = [  # the outer ring counterclockwise, and holes clockwise
        ring if (area > 0) == (i == 0) else ring[::-1]
        for i, (ring, area) in enumerate(zip(places, areas, strict=True))
    ]
    area = abs(areas[0]) - sum(map(abs, areas[1:]))
    properties = {
        'class': classes[label],
        'label': label,
        'pixels': round(pixels),
        'area_m2': float(f'{area:.8g}'),
    }
    coordinates = [ring.round(DECIMALS).tolist() for ring in oriented]
    return dict(
        type='Feature',
        properties=properties,
        geometry=dict(type='Polygon', coordinates=coordinates),
    )


def split(ring: np.ndarray) -> np.ndarray:
    """Add points to edges along rows and columns, where they cross every ``SPLIT``-th of them.

    Args:
        ring: Integers ``(points, 2)``, the last point equal to the first.
    """
    points = [ring[:1]]
    for start, end in pairwise(ring):
        axis = int(start[0] == end[0])  # along which the edge runs
        low, high = sorted((start[axis], end[axis]))
        inner = np.arange((low // SPLIT + 1) * SPLIT, high, SPLIT)
        if len(inner):
            added = np.repeat(start[None], len(inner), axis=0)
            added[:, axis] = inner if start[axis] < end[axis] else inner[::-1]
            points.append(added)
        points.append(end[None])
    return np.concatenate(points)


def surface(ring: np.ndarray) -> float:
    """Compute the area on the WGS84 ellipsoid in square meters, positive if counterclockwise.

    Args:
        ring: Longitudes and latitudes in degrees, ``(points, 2)``, the last equal to the first.
    """
    longitude, latitude = np.radians(ring).T
    sine, e = np.sin(latitude), np.sqrt(E2)
    q = (1 - E2) * (sine / (1 - E2 * sine**2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))
    q = q - q[0]  # keeps the digits of small polygons
    return float(-(A**2) / 2 * (np.diff(longitude) * (q[:-1] + q[1:]) / 2).sum())


def _no_degrees(reason: str) -> str:
    words = ' '.join(reason.split())
    return (
        f'no polygons are written, as some coordinates have no longitude and latitude '
        f'({words[:80]}): use the mask'
    )


def _area(ring: np.ndarray) -> float:
    """Compute the area of a ring in the plane, positive if counterclockwise."""
    x, y = (ring - ring[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _degrees(ring: np.ndarray, grid: Grid) -> np.ndarray:
    """Convert columns and rows to longitudes and latitudes, without a jump at 180 degrees.

    Raises:
        DataError: If there are none, or the ring surrounds a pole.
    """
    x, y = grid.coordinates(ring[:, 0], ring[:, 1])
    transform = rasterio_library('rasterio.warp').transform
    try:
        longitude, latitude = map(np.array, transform(grid.crs, WGS84, x, y))
    except Exception as error:  # of private types: a local system, or a point beside the earth
        raise DataError(_no_degrees(str(error))) from error
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        raise DataError(_no_degrees('a point beside the earth'))
    if grid.crs.is_geographic:  # then x is a longitude, but for the datum
        longitude += 360 * np.round((np.asarray(x) - longitude) / 360)
    else:
        longitude = np.unwrap(longitude, period=360)
        if abs(longitude[-1] - longitude[0]) > 180:
            raise DataError('no polygons are written, as a region surrounds a pole: use the mask')
        longitude += 360 * (longitude.min() < -180)
    return np.stack([longitude, latitude], axis=1)
