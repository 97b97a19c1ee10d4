"""Predict image files with a trained model, for ``tools/predict.py``.

The tool calls, in this order:

- ``find_items`` (inputs.py) finds the files.
- ``Predictor`` (predictor.py) predicts label maps, with the steps of the test pipeline
  (pipeline.py), the model or ensemble (model.py), and thresholds (thresholds.py).
- ``predict_files`` (run.py) goes through the files. For each file, it calls ``load_file``
  (loaded.py), which reads it as in training or with the readers of ``mmseg_attn.io`` (sources.py),
  and ``Intensities`` (intensities.py), which converts more than 8 bits. ``neighbor_channels``
  (neighbors.py) adds the slices below and above, for models of 2.5D.
- ``predict_rasters`` of ``mmseg_attn.apps.rasters`` goes through rasters with coordinates instead.
- ``Results`` (results.py) writes masks, overlays and ``pixels.csv``, ``MapResults`` (maps.py)
  probabilities and uncertainty, and ``ObjectResults`` (objects.py) tables of objects.
- ``read_temperature`` (temperature.py) returns the number that calibrates a checkpoint, and
  ``split_loader`` (splits.py) loads labeled images, for ``tools/calibrate.py`` and ``report.py``.
- ``exportable`` (exported.py) returns the network with a description, for ``export_onnx.py``.
- ``ShardJob`` (shards.py) is a part of the files that a job of its own predicts, and
  ``merge_shards`` (merge.py) joins the results of all jobs.
- ``summarize`` and ``collect_warnings`` (summary.py) return the text that the tool prints.
"""

from .exported import exportable
from .inputs import Item, find_items, shards_root
from .intensities import Intensities, IntensityMapping
from .loaded import Loaded, load_file
from .loader import ConfigLoader
from .maps import MAPS, MapResults
from .merge import Merged, merge_shards
from .neighbors import neighbor_channels
from .objects import ObjectResults, ObjectRules
from .predictor import Prediction, Predictor
from .results import Results
from .run import Predictions, predict_files
from .shards import Shard, ShardJob, describe_job
from .sources import FileContent, StackRules, read_content
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
    'Results',
    'Shard',
    'ShardJob',
    'StackRules',
    'collect_warnings',
    'counted',
    'data_errors',
    'describe_job',
    'describe_temperatures',
    'exportable',
    'find_items',
    'load_file',
    'merge_shards',
    'neighbor_channels',
    'predict_files',
    'read_content',
    'read_temperature',
    'shards_root',
    'split_loader',
    'summarize',
    'truth_and_labels',
    'write_temperature',
]
