from .dataset_check_hook import DatasetCheckHook
from .per_class_csv_hook import PerClassCSVHook
from .resolution_schedule_hook import ResolutionScheduleHook

__all__ = ['DatasetCheckHook', 'PerClassCSVHook', 'ResolutionScheduleHook']
