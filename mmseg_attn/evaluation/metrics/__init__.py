"""Metrics that are registered for evaluators."""

from .auc_metric import AUCMetric
from .boundary_iou_metric import BoundaryIoUMetric
from .calibration_metric import CalibrationMetric
from .image_areas_metric import ImageAreasMetric
from .loss_metric import LossMetric
from .mae_metric import MAEMetric
from .membrane_metric import MembraneMetric
from .per_class_iou_metric import PerClassIoUMetric
from .surface_metric import SurfaceMetric

__all__ = [
    'AUCMetric',
    'BoundaryIoUMetric',
    'CalibrationMetric',
    'ImageAreasMetric',
    'LossMetric',
    'MAEMetric',
    'MembraneMetric',
    'PerClassIoUMetric',
    'SurfaceMetric',
]
