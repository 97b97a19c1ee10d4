"""However a tool that runs another one ends, the other one ends too."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mmseg_attn.apps.runs.process import end_by_signals, run_tool
from tests.processes import HANG

SLEEP = 'import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(7200)\n'


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended may still wait for its parent."""
    stat = subprocess.run(['ps', '-o', 'stat=', str(pid)], capture_output=True, text=True).stdout
    return stat.strip()[:1] not in ('', 'Z')


@pytest.fixture
def parent(tmp_path):
    """A process in the background of a shell, which runs another one; both numbers."""
    tool, out = tmp_path / 'tool.py', tmp_path / 'out.txt'
    tool.write_text(SLEEP)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid = os.fork()
    if not pid:
        with out.open('w') as file:
            os.dup2(file.fileno(), 2)
        try:
            end_by_signals('the test')
            on_line = (tmp_path / 'pid').write_text
            for _ in run_tool(tool, log=tmp_path / 'log.txt', on_line=on_line):
                time.sleep(0.01)
        except SystemExit as error:
            os.write(2, str(error).encode())
        finally:
            os._exit(1)
    signal.signal(signal.SIGINT, before)
    file = tmp_path / 'pid'
    deadline = time.monotonic() + HANG
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield pid, int(file.read_text()), out
    for process in (pid, int(file.read_text())):
        if alive(process):
            os.kill(process, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'])
def test_a_signal_to_the_parent_alone(parent, name):
    if name == 'SIGKILL' and sys.platform != 'linux':
        pytest.skip('only Linux ends the children of a killed process')
    pid, child, out = parent
    assert alive(child)
    os.kill(pid, getattr(signal, name))
    deadline = time.monotonic() + HANG
    while (alive(pid) or alive(child)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)
    assert not alive(child)
    message = '' if name == 'SIGKILL' else f'error: the test was ended by {name}'
    assert out.read_text() == message
