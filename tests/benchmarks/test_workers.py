import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmseg_attn.errors import DataError
from tests.processes import HANG


@pytest.fixture
def workers(script):
    return script('workers')


@pytest.fixture
def jobs(monkeypatch):
    """What they do; a new process finds it on the path, and knows no package called tests."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module('worker_jobs')


@pytest.fixture
def start(workers):
    """Start workers that end with the test."""
    started = []

    def start(*args, **kwargs):
        started.append(workers.Worker('a worker', *args, **kwargs))
        return started[-1]

    yield start
    for worker in started:
        worker.close()
    assert not any(worker.process.is_alive() for worker in started)


def test_turns_in_an_environment_of_its_own(start, jobs, monkeypatch):
    monkeypatch.setenv('A', 'outer')
    monkeypatch.setenv('B', 'outer')
    first = start(jobs.echo, 'x', environment={'A': 'inner', 'B': None})
    second = start(jobs.echo, 'y')
    assert (os.environ['A'], os.environ['B']) == ('outer', 'outer')
    assert second.turn(1) == ('y', 1, 'outer', 'outer')
    assert first.turn(2) == ('x', 2, 'inner', None)
    first.ask(3)
    assert second.turn(4)[1] == 4
    assert first.receive()[1] == 3


def test_a_process_that_ended_is_named(start, jobs):
    worker = start(jobs.die)
    for _ in range(2):
        with pytest.raises(DataError, match='the process of a worker has ended; see its error'):
            worker.turn()


@pytest.mark.skipif(not Path('/proc/self').exists(), reason='needs Linux')
def test_a_busy_process_ends_with_the_one_that_started_it(workers):
    """Also if that is killed and can do nothing about it."""
    code = (
        'from benchmarks import workers; '
        "worker = workers.Worker('busy', workers.keep_busy, True); worker.ask(); "
        'print(worker.process.pid, flush=True); input()'
    )
    parent = subprocess.Popen(
        [sys.executable, '-c', code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(workers.__file__).parents[1],
    )
    pid = int(parent.stdout.readline())
    assert running(pid)
    with parent:
        parent.kill()
    deadline = time.monotonic() + HANG
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running(pid)


def running(pid: int) -> bool:
    """Tell whether a process is there, and not only its exit code."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False
