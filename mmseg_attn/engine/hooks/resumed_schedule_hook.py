"""Follow a changed schedule in a resumed training."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS

from ..schedule import follow_config, tell_of_end


@HOOKS.register_module()
class ResumedScheduleHook(Hook):
    """Follow the schedule of the config in a resumed training, if it differs from the checkpoint's.

    ``--resume`` restores the schedulers of the checkpoint with their settings, so that a longer
    schedule, another learning rate or another scheduler in the config would silently have no
    effect. With this hook, the learning rate becomes what it would be if the config had been the
    same from the start. Other settings of the optimizer stay those of the checkpoint. The log names
    all differences. If nothing has changed, this hook changes nothing.
    """

    priority = 'LOWEST'  # after CheckpointHook has checked the checkpoint

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the schedules, before MMEngine restores that of the checkpoint."""
        if runner._resume and isinstance(runner._train_loop, BaseLoop):
            follow_config(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Warn if the learning rate no longer changes."""
        if runner._resume and runner._has_loaded:
            tell_of_end(runner)
