"""Hooks of a training."""

from .activation_checkpoint_hook import ActivationCheckpointHook
from .atomic_checkpoint_hook import AtomicCheckpointHook
from .dataset_check_hook import DatasetCheckHook
from .deferred_runtime_info_hook import DeferredRuntimeInfoHook
from .divergence_hook import DivergenceHook
from .per_class_csv_hook import PerClassCSVHook
from .per_image_csv_hook import PerImageCSVHook
from .portable_optimizer_hook import PortableOptimizerHook
from .resolution_schedule_hook import ResolutionScheduleHook
from .resumed_schedule_hook import ResumedScheduleHook
from .seg_picture_hook import SegPictureHook

__all__ = [
    'ActivationCheckpointHook',
    'AtomicCheckpointHook',
    'DatasetCheckHook',
    'DeferredRuntimeInfoHook',
    'DivergenceHook',
    'PerClassCSVHook',
    'PerImageCSVHook',
    'PortableOptimizerHook',
    'ResolutionScheduleHook',
    'ResumedScheduleHook',
    'SegPictureHook',
]
