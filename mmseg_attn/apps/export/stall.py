"""Stop a trace that no longer moves on.

Where a layer nests its sizes or computes them in floating point, PyTorch simplifies formulas of
them for hours. What counts is processor time since the last layer began, not the clock: neither a
busy machine nor a model of many layers is stopped.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator

from torch import nn

LIMIT = 45.0  # seconds of processor time; layers that can be exported take less than one


class Stalled(BaseException):
    """Raised inside a trace; no ``except Exception`` of PyTorch or SymPy holds it up."""


@contextlib.contextmanager
def stopped_if_stalled(model: nn.Module) -> Iterator[None]:
    """Watch a trace of ``model``, in the main thread and where the system has timers.

    Raises:
        Stalled: If more than ``LIMIT`` passes without another layer; its text names the innermost.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or not hasattr(signal, 'setitimer'):
        yield
        return
    names = {layer: name for name, layer in model.named_modules()}
    running = [model]  # outermost first

    def note(layer: nn.Module, inputs: tuple) -> None:
        running.append(layer)
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)

    def stop(*_) -> None:
        kind = type(running[-1])
        raise Stalled(f'{names[running[-1]]} ({kind.__module__}.{kind.__qualname__})'.strip())

    def end(*_) -> None:
        running.pop()

    hooks = [layer.register_forward_pre_hook(note) for layer in names]
    hooks += [layer.register_forward_hook(end) for layer in names]
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        for hook in hooks:
            hook.remove()
