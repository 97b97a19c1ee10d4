"""Attention U-Nets for MMSegmentation. Importing this package registers every part."""

from . import compat

compat.apply()  # before anything imports mmseg.models

from . import datasets, engine, evaluation, models, visualization  # noqa: E402
from .engine import enable_safe_loading  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    '__version__',
    'compat',
    'datasets',
    'enable_safe_loading',
    'engine',
    'evaluation',
    'models',
    'visualization',
]
