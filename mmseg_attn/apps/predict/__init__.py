"""Predict image files with a trained model."""

from .inputs import Item, find_items
from .intensities import Intensities, IntensityMapping
from .loaded import Loaded, load_file
from .loader import ConfigLoader
from .predictor import Predictor
from .results import Results
from .run import Predictions, predict_files
from .sources import FileContent, read_content
from .summary import collect_warnings, counted, summarize

__all__ = [
    'ConfigLoader',
    'FileContent',
    'Intensities',
    'IntensityMapping',
    'Item',
    'Loaded',
    'Predictions',
    'Predictor',
    'Results',
    'collect_warnings',
    'counted',
    'find_items',
    'load_file',
    'predict_files',
    'read_content',
    'summarize',
]
