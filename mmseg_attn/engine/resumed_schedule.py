"""Add ``ResumedScheduleHook`` to the resumed trainings of our tool, whatever their config names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.runner import Runner

from .hooks import ResumedScheduleHook


@contextmanager
def schedule_of_config_followed() -> Iterator[None]:
    """Register the hook in every runner that resumes, until the context ends.

    MMEngine silently continues with the schedule of the checkpoint, so that the learning rate of a
    longer training stays zero. The hook is not added to the config: the dumped config is the
    user's, and MMSegmentation's own tools can run it.
    """
    original = Runner.register_hooks

    def register_hooks(self: Runner, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self._resume and not any(isinstance(hook, ResumedScheduleHook) for hook in self.hooks):
            self.register_hook(ResumedScheduleHook())

    Runner.register_hooks = register_hooks
    try:
        yield
    finally:
        Runner.register_hooks = original
