"""Attention U-Nets for MMSegmentation. Importing this package registers every part."""

from . import compat

compat.apply()  # before anything imports mmseg.models

from . import datasets, engine, evaluation, models, prediction, visualization  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    '__version__',
    'compat',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'prediction',
    'visualization',
]
