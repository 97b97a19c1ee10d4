"""Provide the transforms of the pipelines."""

from .class_balanced_crop import ClassBalancedCrop
from .equalize_histogram import EqualizeHistogram
from .external_transform import ExternalTransform
from .gaussian_smooth import GaussianSmooth
from .load_neighbors import LoadNeighbors
from .load_raster import LoadRaster
from .load_raster_annotations import LoadRasterAnnotations
from .load_strict_annotations import LoadStrictAnnotations
from .random_brightness import RandomBrightness
from .random_right_angle import RandomRightAngle

__all__ = [
    'ClassBalancedCrop',
    'EqualizeHistogram',
    'ExternalTransform',
    'GaussianSmooth',
    'LoadNeighbors',
    'LoadRaster',
    'LoadRasterAnnotations',
    'LoadStrictAnnotations',
    'RandomBrightness',
    'RandomRightAngle',
]
