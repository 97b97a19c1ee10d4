"""Use a trained model on a user's own files."""

from .inputs import Item, find_items
from .intensities import Intensities, Mapping
from .loaded import Loaded, load_file
from .loader import ConfigLoader
from .predictor import Predictor
from .results import Results
from .run import Report, predict_files
from .sources import Source, read_source
from .summary import counted, doubts, summarize

__all__ = [
    'ConfigLoader',
    'Intensities',
    'Item',
    'Loaded',
    'Mapping',
    'Predictor',
    'Report',
    'Results',
    'Source',
    'counted',
    'doubts',
    'find_items',
    'load_file',
    'predict_files',
    'read_source',
    'summarize',
]
