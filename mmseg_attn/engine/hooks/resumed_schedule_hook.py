"""A training that is resumed with another schedule follows it, or says why not."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS

from ..schedule import follow_config, tell_of_end


@HOOKS.register_module()
class ResumedScheduleHook(Hook):
    """Lets a resumed training follow the schedule of its config, where that is another one.

    ``--resume`` restores the schedulers of the checkpoint with their settings, so that a longer
    schedule, another learning rate or another scheduler in the config would have no effect, and
    nobody would say so. With this hook, the learning rate becomes what it would be if the config
    had been the same from the start. Settings of the optimizer other than what the schedulers set
    stay those of the checkpoint. Whatever differs is named in the log. Where nothing has changed,
    this hook changes nothing.
    """

    priority = 'LOWEST'  # after CheckpointHook has looked at the checkpoint

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the schedules, before MMEngine restores that of the checkpoint."""
        if runner._resume and isinstance(runner._train_loop, BaseLoop):
            follow_config(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Say it if the learning rate changes no more."""
        if runner._resume and runner._has_loaded:
            tell_of_end(runner)
