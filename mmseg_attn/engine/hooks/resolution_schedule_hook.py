"""Train on small images first and on larger ones later, like DA-UNet (arXiv 2304.10829)."""

from collections.abc import Mapping, Sequence

from mmcv.transforms import Resize
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...datasets.nested_datasets import nested_datasets


@HOOKS.register_module()
class ResolutionScheduleHook(Hook):
    """Set the scale of every ``Resize`` in the training pipeline by the epoch.

    The scale depends on the number of the epoch only, so it is correct after a resume and on every
    rank. Persistent workers have a copy of the pipeline and are restarted when the scale changes.

    Args:
        schedule: First epoch of each phase, counted from 0, and its scale ``(width, height)``:
            ``{0: (256, 256), 100: (512, 512)}``.

    Raises:
        ValueError: If no phase starts at epoch 0, or a scale is not two whole positive numbers.
    """

    def __init__(self, *, schedule: Mapping[int, Sequence[int]]):
        self.schedule = {int(epoch): tuple(scale) for epoch, scale in schedule.items()}
        if min(self.schedule, default=None) != 0:
            raise ValueError(
                f'schedule must have a scale for epoch 0, got {self.schedule}: add the key 0'
            )
        for scale in self.schedule.values():
            if len(scale) != 2 or not all(isinstance(side, int) and side > 0 for side in scale):
                raise ValueError(f'schedule must have scales like (512, 512), got {scale}')
        self._resizes: list[Resize] = []

    def before_train(self, runner: Runner) -> None:
        """Find the ``Resize`` transforms.

        Raises:
            ValueError: If the training does not count epochs, its pipeline has no ``Resize``, or
                the data preprocessor pads images to a size.
        """
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'ResolutionScheduleHook counts epochs: set train_cfg.type to EpochBasedTrainLoop'
            )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        size = getattr(getattr(model, 'data_preprocessor', None), 'size', None)
        if size and any(w < size[1] or h < size[0] for w, h in self.schedule.values()):
            raise ValueError(
                f'data_preprocessor.size is {tuple(size)}, to which smaller images are padded: '
                'remove it, and set data_preprocessor.size_divisor=1'
            )
        self._resizes = []
        for dataset in nested_datasets(runner.train_dataloader.dataset):
            pipeline = getattr(dataset, 'pipeline', [])
            transforms = getattr(pipeline, 'transforms', pipeline)
            self._resizes += [
                transform for transform in transforms if isinstance(transform, Resize)
            ]
        if not self._resizes:
            raise ValueError(
                "ResolutionScheduleHook needs a dict(type='Resize', ...) in the pipeline of the "
                'training dataset and found none: add it, or remove the hook'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the scale of this epoch."""
        scale = self.schedule[max(first for first in self.schedule if first <= runner.epoch)]
        if all(resize.scale == scale for resize in self._resizes):
            return
        for resize in self._resizes:
            resize.scale = scale
        # The loader then starts new workers; only persistent ones have an iterator here.
        runner.train_dataloader._iterator = None
        runner.logger.info(f'From epoch {runner.epoch + 1} on, images are resized to {scale}.')
