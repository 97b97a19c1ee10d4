from .checkpoint_hook import CheckpointHook
from .class_weight_check_hook import ClassWeightCheckHook
from .dataset_check_hook import DatasetCheckHook
from .divergence_hook import DivergenceHook
from .per_class_csv_hook import PerClassCSVHook
from .resolution_schedule_hook import ResolutionScheduleHook

__all__ = [
    'CheckpointHook',
    'ClassWeightCheckHook',
    'DatasetCheckHook',
    'DivergenceHook',
    'PerClassCSVHook',
    'ResolutionScheduleHook',
]
