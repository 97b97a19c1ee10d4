"""What a run cost."""

from typing import NamedTuple

from ...evaluation import Complexity, complexity
from ...evaluation.input_shape import channels, input_shape
from ..reproduce.process import seconds_per_iteration
from .result import Result


class Cost(NamedTuple):
    """What is known of it; ``None`` where something is not.

    Attributes:
        complexity: Parameters, and FLOPs of an image of the shape.
        shape: Channels, height and width.
        iteration: Seconds of an iteration of the training, the median of what was logged.
        training: Seconds of the whole training, validations included.
        memory: MiB of GPU memory at the most.
    """

    complexity: Complexity | None
    shape: tuple[int, int, int] | None
    iteration: float | None
    training: float | None
    memory: float | None


def cost(result: Result) -> Cost:
    """Count and look up what a run cost."""
    run, shape = result.run, None
    if run.cfg is not None:
        shape = input_shape(run.cfg)
        if not shape and result.evaluation:
            shape = (channels(run.cfg), *result.evaluation.images[0].shape)
    try:
        counted = complexity(run.cfg.model, shape) if shape else None
    except Exception:  # a foreign model that does not build without data, or counts nothing
        counted = None
    memory = [each['memory'] for each in run.log.losses.values() if each.get('memory')]
    return Cost(
        counted,
        shape,
        seconds_per_iteration(run.folder),
        run.seconds or None,
        max(memory, default=None),
    )


def duration(seconds: float) -> str:
    """The two largest units, such as '1 h 12 min'."""
    if seconds < 60:
        return f'{seconds:.2g} s'
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    days, part = divmod(hours, 24)
    if days:
        return f'{days} d {part} h'
    return f'{hours} h {left} min' if hours else f'{minutes} min {rest} s'
