"""Metrics that are registered for evaluators."""

from .image_areas_metric import ImageAreasMetric
from .loss_metric import LossMetric
from .mae_metric import MAEMetric
from .per_class_iou_metric import PerClassIoUMetric

__all__ = ['ImageAreasMetric', 'LossMetric', 'MAEMetric', 'PerClassIoUMetric']
