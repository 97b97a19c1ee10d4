import contextlib
import signal
import threading
import time

import pytest
from torch import nn

from mmseg_attn.apps.export import export_program, stall
from mmseg_attn.errors import ExportError
from tests.apps.export.test_program import build, needs_export

pytestmark = pytest.mark.skipif(
    not hasattr(signal, 'setitimer'), reason='the system has no timers of processor time'
)


class Stuck(nn.Module):
    """What the timer stops, as if its time had passed."""

    def forward(self, x):
        with contextlib.suppress(Exception):  # as PyTorch and SymPy do
            signal.raise_signal(signal.SIGVTALRM)
        raise AssertionError('was not stopped')


@needs_export
def test_a_trace_that_does_not_move_on_is_stopped_and_the_layer_named():
    module = build()
    module.smallest = 33  # not measured, which runs the layer, too
    module.model.decode_head.dropout = Stuck()
    before = signal.getsignal(signal.SIGVTALRM)
    layer = r'stalls at the layer model\.decode_head\.dropout \(.*\.Stuck\), as'
    with pytest.raises(ExportError, match=layer):
        export_program(module)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def work(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() < start + seconds:
        pass


def test_the_timer_stops_what_goes_on(monkeypatch):
    monkeypatch.setattr(stall, 'LIMIT', 0.01)
    with pytest.raises(stall.Stalled), stall.stopped_if_stalled(nn.Identity()):
        work(seconds=10)


def test_every_layer_winds_the_timer_up(monkeypatch):
    settings = []
    monkeypatch.setattr(signal, 'setitimer', lambda *args: settings.append(args[1]))
    model = nn.Sequential(nn.Identity(), nn.Identity())
    with stall.stopped_if_stalled(model):
        model(1)
    assert settings == [stall.LIMIT] * 4 + [0]


def test_other_threads_have_no_timer():
    model, failures = nn.Identity(), []

    def run():
        try:
            with stall.stopped_if_stalled(model):
                assert not model._forward_pre_hooks
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures
