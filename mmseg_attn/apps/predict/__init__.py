"""Predict image files with a trained model, for ``tools/predict.py``.

The tool calls, in this order:

- ``find_items`` (inputs.py) finds the files.
- ``Predictor`` (predictor.py) predicts label maps, with the steps of the test pipeline
  (pipeline.py), the model or ensemble (model.py), and thresholds (thresholds.py).
- ``predict_files`` (run.py) goes through the files. For each file, it calls ``load_file``
  (loaded.py), which reads it as in training or with the readers of ``mmseg_attn.io`` (sources.py),
  and ``Intensities`` (intensities.py), which converts more than 8 bits.
- ``predict_rasters`` (rasters.py) goes through rasters with coordinates instead, and keeps only a
  row of windows in memory: ``RasterInputs`` (raster_inputs.py) reads the windows, and
  ``write_polygons`` (polygons.py) writes regions as GeoJSON.
- ``Results`` (results.py) writes masks, overlays and ``pixels.csv``, ``MapResults`` (maps.py)
  probabilities and uncertainty, and ``ObjectResults`` (objects.py) tables of objects.
- ``read_temperature`` (temperature.py) returns the number that calibrates a checkpoint, and
  ``split_loader`` (splits.py) loads labeled images, for ``tools/calibrate.py`` and ``report.py``.
- ``ShardJob`` (shards.py) is a part of the files that a job of its own predicts, and
  ``merge_shards`` (merge.py) joins the results of all jobs.
- ``summarize`` and ``collect_warnings`` (summary.py) return the text that the tool prints.
"""

from .inputs import Item, find_items, shards_root
from .intensities import Intensities, IntensityMapping
from .loaded import Loaded, load_file
from .loader import ConfigLoader
from .maps import MAPS, MapResults
from .merge import Merged, merge_shards
from .objects import ObjectResults, ObjectRules
from .predictor import Prediction, Predictor
from .rasters import RasterPredictor, loads_rasters, predict_rasters, use_rasters
from .results import Results
from .run import Predictions, predict_files
from .shards import Shard, ShardJob, describe_job
from .sources import FileContent, read_content
from .splits import data_errors, split_loader, truth_and_labels
from .summary import collect_warnings, counted, summarize
from .temperature import describe_temperatures, read_temperature, write_temperature

__all__ = [
    'MAPS',
    'ConfigLoader',
    'FileContent',
    'Intensities',
    'IntensityMapping',
    'Item',
    'Loaded',
    'MapResults',
    'Merged',
    'ObjectResults',
    'ObjectRules',
    'Prediction',
    'Predictions',
    'Predictor',
    'RasterPredictor',
    'Results',
    'Shard',
    'ShardJob',
    'collect_warnings',
    'counted',
    'data_errors',
    'describe_job',
    'describe_temperatures',
    'find_items',
    'load_file',
    'loads_rasters',
    'merge_shards',
    'predict_files',
    'predict_rasters',
    'read_content',
    'read_temperature',
    'shards_root',
    'split_loader',
    'summarize',
    'truth_and_labels',
    'use_rasters',
    'write_temperature',
]
