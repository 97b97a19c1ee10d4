"""Small rasters like those of Landsat and Sentinel-2, written with rasterio.

Landsat Collection 2 Level 2: uint16, 0 is no data, reflectance = 2.75e-05 value - 0.2, and a band
QA_PIXEL of bits. Sentinel-2 Level 2A since baseline 04.00: uint16, 0 is no data, reflectance =
(value - 1000) / 10000.
"""

from pathlib import Path

import numpy as np

UTM = 'EPSG:32633'
LANDSAT = dict(scale=2.75e-05, offset=-0.2)
NAMES = ('SR_B2', 'SR_B3', 'SR_B4', 'SR_B5', 'QA_PIXEL')


def write_raster(path: Path, values: np.ndarray, *, names=(), scale=1.0, offset=0.0, **profile):
    """Write ``(C, H, W)`` as a tiled GeoTIFF with pixels of 30 m in UTM zone 33."""
    import rasterio

    settings = dict(
        driver='GTiff',
        dtype=values.dtype,
        count=len(values),
        height=values.shape[1],
        width=values.shape[2],
        crs=UTM,
        transform=rasterio.Affine(30, 0, 499980, 0, -30, 5300040),
        tiled=True,
        blockxsize=16,
        blockysize=16,
        compress='lzw',
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, 'w', **{**settings, **profile}) as dataset:
        dataset.write(values)
        if scale != 1 or offset:
            dataset.scales = [scale] * len(values)
            dataset.offsets = [offset] * len(values)
        for i, name in enumerate(names, 1):
            dataset.set_band_description(i, name)
    return path


def landsat_values(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Four bands and QA, ``(5, H, W)``; a slanted edge of the scene, beyond which all are 0."""
    random = np.random.default_rng(seed)
    base = 9000 + 3000 * np.sin(np.arange(width) / 9) * np.cos(np.arange(height) / 7)[:, None]
    bands = base + random.normal(0, 300, (4, height, width))
    values = np.stack([*bands, np.full((height, width), 21824.0)]).astype(np.uint16)
    rows, columns = np.mgrid[:height, :width]
    values[:4, columns + rows / 3 < width / 4] = 0
    values[4, columns + rows / 3 < width / 4] = 1  # fill
    return values


def landsat(path: Path, height: int = 70, width: int = 90, seed: int = 0) -> np.ndarray:
    """Write a scene and return its values."""
    values = landsat_values(height, width, seed)
    write_raster(path, values, names=NAMES, nodata=0, **LANDSAT)
    return values
