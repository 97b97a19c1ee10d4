"""Stop a trace that stalls.

If a layer nests its sizes or computes them in floating point, PyTorch simplifies their formulas for
hours. The limit is on the processor time since the start of the last layer instead of the elapsed
time, so that busy machines and models with many layers are not affected.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator

from torch import nn

LIMIT = 45.0  # seconds of processor time; layers that can be exported take less than one


class Stalled(BaseException):
    """Stop a trace; ``except Exception`` in PyTorch or SymPy does not catch this exception."""


@contextlib.contextmanager
def stopped_if_stalled(model: nn.Module) -> Iterator[None]:
    """Watch a trace of ``model``, if this is the main thread and the system has timers.

    Raises:
        Stalled: If ``LIMIT`` passes without another layer. The message names the innermost layer.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, 'setitimer'):
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
