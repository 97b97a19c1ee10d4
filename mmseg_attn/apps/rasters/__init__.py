"""Predict rasters with coordinates window by window, for ``tools/predict.py``.

``predict_rasters`` (prediction.py) goes through the files and keeps only a row of windows in
memory: ``RasterInputs`` (inputs.py) reads the windows, ``raster_maps`` (maps.py) writes
probabilities and uncertainty, and ``write_polygons`` (polygons.py) writes regions as GeoJSON. The
rest is that of ``mmseg_attn.apps.predict``.
"""

from .prediction import RasterPredictor, loads_rasters, predict_rasters, use_rasters

__all__ = ['RasterPredictor', 'loads_rasters', 'predict_rasters', 'use_rasters']
