"""Marks of tests that need a library that only some parts need."""

import importlib.util

import pytest

needs_monai = pytest.mark.skipif(
    importlib.util.find_spec('monai') is None, reason='needs MONAI: see docs/metrics.md'
)
needs_rasterio = pytest.mark.skipif(
    importlib.util.find_spec('rasterio') is None, reason='needs rasterio: see docs/rasters.md'
)
needs_scikit_image = pytest.mark.skipif(
    importlib.util.find_spec('skimage') is None, reason='needs scikit-image: see docs/metrics.md'
)
needs_safetensors = pytest.mark.skipif(
    importlib.util.find_spec('safetensors') is None, reason='needs safetensors: see docs/predict.md'
)
needs_huggingface_hub = pytest.mark.skipif(
    importlib.util.find_spec('huggingface_hub') is None,
    reason='needs huggingface_hub: see docs/predict.md',
)
needs_zarr = pytest.mark.skipif(
    importlib.util.find_spec('zarr') is None, reason='needs zarr: see docs/predict.md'
)
needs_bioimageio_spec = pytest.mark.skipif(
    importlib.util.find_spec('bioimageio') is None,
    reason='needs bioimageio.spec: see docs/predict.md',
)
