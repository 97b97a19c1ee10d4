"""The processor time of other processes, from a made-up /proc."""

import os
import time

import pytest

TICKS = os.sysconf('SC_CLK_TCK')


@pytest.fixture
def quiet(script):
    return script('quiet')


@pytest.fixture
def proc(quiet, tmp_path, monkeypatch):
    """Write a /proc: seconds of all processors, and (parent, seconds) of processes."""
    monkeypatch.setattr(quiet, 'STAT', tmp_path / 'stat')
    monkeypatch.setattr(os, 'getpid', lambda: 10)

    def write(total: float, processes: dict[int, tuple[int, float]]) -> None:
        # user nice system idle iowait irq softirq steal guest guest_nice
        ticks = round(total * TICKS)
        times = [ticks - 15, 4, 3, 10**6, 10**5, 2, 1, 5, 7, 8]
        (tmp_path / 'stat').write_text(f'cpu  {" ".join(map(str, times))}\ncpu0 1 2\n')
        for process, (parent, seconds) in processes.items():
            folder = tmp_path / str(process)
            folder.mkdir(exist_ok=True)
            own = [round(seconds * TICKS) - 6, 1, 2, 3]  # user, system, and of ended children
            fields = ['S', parent, *[0] * 9, *own, 20, 0]
            (folder / 'stat').write_text(f'{process} (a) b (c) {" ".join(map(str, fields))}\n')
        (tmp_path / '99').mkdir(exist_ok=True)  # has ended in this moment

    return write


def test_own_processes_and_their_children_do_not_count(quiet, proc, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    proc(1000, {1: (0, 50), 10: (1, 20), 11: (10, 5), 12: (11, 3), 13: (1, 40)})
    load = quiet.OtherLoad()
    # in four seconds six of processor time, of which ours took four
    now[0] = 104.0
    proc(1006, {1: (0, 50), 10: (1, 21), 11: (10, 6), 12: (11, 5), 13: (1, 42)})
    assert load.cores() == pytest.approx(2 / 4)
    now[0] = 108.0
    proc(1006, {12: (11, 9)})  # ticks are rounded: no less than nothing
    assert load.cores() == 0


def test_a_system_that_does_not_tell(quiet, tmp_path, monkeypatch):
    monkeypatch.setattr(quiet, 'STAT', tmp_path / 'stat')
    assert quiet.OtherLoad().cores() is None
    assert quiet.warning(None) == ''


def test_the_warning(quiet, monkeypatch):
    monkeypatch.setattr(os, 'cpu_count', lambda: 4)
    assert quiet.warning(quiet.LIMIT) == ''
    assert quiet.warning(1.23).startswith('other processes use 1.2 of 4 cores: the timings are too')


@pytest.mark.skipif(not os.path.exists('/proc/stat'), reason='needs Linux')
def test_this_process_is_not_another(quiet):
    begin = time.process_time()
    before = quiet._own(TICKS)
    while time.process_time() - begin < 0.1:
        pass
    assert quiet._own(TICKS) - before >= 0.1 - 2 / TICKS
