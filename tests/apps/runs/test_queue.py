"""Jobs one after the other and side by side, and the estimate of the time left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmseg_attn.apps.runs import queue
from mmseg_attn.apps.runs.queue import Progress, remaining, run_jobs
from mmseg_attn.errors import RunError

TRAIN = 'mmengine - INFO - {}  lr: 1.0000e-03  eta: {}  time: 0.2659  data_time: 0.0047  loss: 1'


@pytest.mark.parametrize(
    ('line', 'seconds'),
    [
        (TRAIN.format('Iter(train) [ 48/600]', '0:02:25'), 145),
        (TRAIN.format('Epoch(train)   [1][10/24]', '23:00:01'), 82801),
        (TRAIN.format('Epoch(train)   [1][10/24]', '1 day, 2:00:00'), 93600),
        (TRAIN.format('Epoch(train)   [1][10/24]', '12 days, 0:00:01'), 1036801),
        (TRAIN.format('Iter(val) [50/64]  ', '0:00:01'), None),
        ('loss: 1', None),
    ],
)
def test_the_expected_time_is_read_from_the_log_of_the_training(line, seconds):
    assert remaining(line) == seconds


def test_estimate_of_runs_one_after_the_other():
    now = [0.0]
    progress = Progress([100, 300, 200], clock=lambda: now[0])
    progress.start(0)
    assert str(progress) == '0 of 3 runs done, 0:00:00 elapsed, time left unknown'

    now[0] = 10.0
    progress.expect(0, 30)  # 40 seconds for a cost of 100
    assert progress.left() == 30 + (300 + 200) * 0.4

    now[0] = 50.0
    progress.end(0)  # it took 50
    progress.start(1)
    now[0] = 80.0
    assert progress.left() == (300 * 0.5 - 30) + 200 * 0.5
    progress.expect(1, 90)  # the estimate of the run itself comes first
    assert progress.left() == 90 + 200 * 0.5

    now[0] = 130.0
    progress.end(1, finished=False)  # it failed, and its time says nothing
    progress.start(2)
    assert progress.left() == 200 * 0.5
    assert str(progress) == '2 of 3 runs done, 0:02:10 elapsed, about 0:01:40 left'
    now[0] = 530.0
    assert progress.left() == 0  # late
    progress.end(2)
    assert str(progress) == '3 of 3 runs done, 0:08:50 elapsed, about 0:00:00 left'


def test_estimate_of_runs_side_by_side():
    now = [0.0]
    progress = Progress([100, 100, 100], 2, clock=lambda: now[0])
    progress.start(0)
    progress.start(1)
    progress.expect(0, 50)
    assert progress.left() == (50 + 50 + 50) / 2
    progress.expect(1, 200)  # longer than the half of all
    assert progress.left() == 200


def test_nothing_to_do():
    assert Progress([]).left() == 0


def test_without_costs_all_runs_count_the_same():
    now = [0.0]
    progress = Progress([100, 0], clock=lambda: now[0])
    progress.start(0)
    now[0] = 7.0
    progress.end(0)
    assert progress.left() == 7


class Job:
    """A job that takes some steps, and then fails or returns its title."""

    cost = 1.0

    def __init__(self, title: str, steps: int, events: list) -> None:
        self.title, self.steps, self.events = title, steps, events

    def run(self, tools: Path, **options) -> Iterator[None]:
        self.variables = options['variables']
        self.events.append(f'{self.title} starts')
        try:
            for _ in range(self.steps):
                yield
        except GeneratorExit:
            self.events.append(f'{self.title} is ended')
            raise
        if self.title == 'bad':
            raise RunError('no memory')
        return self.title


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(queue, '_POLL', 0)

    def run(*jobs: tuple[str, int], **options):
        events: list[str] = []
        made = [Job(*job, events) for job in jobs]
        on_record = lambda title: events.append(f'{title} ends')  # noqa: E731
        options = dict(on_record=on_record, say=lambda line: None) | options
        return made, events, run_jobs(made, Path(), **options)

    return run


def test_one_after_the_other(run):
    jobs, events, outcome = run(('a', 3), ('b', 1))
    assert events == ['a starts', 'a ends', 'b starts', 'b ends']
    assert outcome.failed == []
    assert outcome.left == 0
    assert jobs[0].variables == {}


def test_side_by_side_each_has_one_thread(run):
    jobs, events, _ = run(('a', 5), ('b', 1), ('c', 1), parallel=2)
    assert events == ['a starts', 'b starts', 'b ends', 'c starts', 'c ends', 'a ends']
    assert [job.variables for job in jobs] == [dict(OMP_NUM_THREADS='1')] * 3


def test_side_by_side_each_has_its_gpu(run, monkeypatch):
    monkeypatch.setattr(queue.torch.cuda, 'device_count', lambda: 2)
    jobs, _, _ = run(('a', 2), ('b', 2), parallel=2)
    assert sorted(job.variables['CUDA_VISIBLE_DEVICES'] for job in jobs) == ['0', '1']
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5,7')
    jobs, _, _ = run(('a', 2), ('b', 2), parallel=2)
    assert sorted(job.variables['CUDA_VISIBLE_DEVICES'] for job in jobs) == ['5', '7']


def test_a_run_that_fails_does_not_stop_the_others(run):
    _, events, outcome = run(('bad', 1), ('b', 1))
    assert events[-1] == 'b ends'
    assert outcome.failed == ['bad: no memory']


def test_what_no_run_should_raise_does_not_stop_the_others_either(run, capsys):
    def on_record(title: str) -> None:
        if title == 'a':
            raise PermissionError(13, 'Permission denied', 'runs/a.json')
        if title == 'b':
            raise KeyError('machine')

    _, events, outcome = run(('a', 1), ('b', 1), ('c', 1), on_record=on_record)
    assert events == ['a starts', 'b starts', 'c starts']
    first, second = outcome.failed
    assert first.startswith('a: runs/a.json cannot be used with your permissions')
    assert second == "b: KeyError: 'machine'"
    traceback = capsys.readouterr().err
    assert traceback.count('Traceback') == 1  # of what is a defect
    assert 'in on_record' in traceback


def test_after_the_time_no_run_is_started_and_the_last_one_ends(run, monkeypatch):
    now = iter([0.0, 3599.0, *[3601.0] * 20])
    monkeypatch.setattr(queue, 'Progress', lambda *args: Progress([1, 1], clock=lambda: 0.0))
    monkeypatch.setattr(queue.time, 'monotonic', lambda: next(now))
    monkeypatch.setattr(queue, '_watch', lambda *args: None)
    _, events, outcome = run(('a', 3), ('b', 1), hours=1)
    assert events == ['a starts', 'a ends']
    assert outcome.left == 1


def test_no_time_starts_nothing(run):
    _, events, outcome = run(('a', 3), hours=0)
    assert events == []
    assert outcome.left == 1


def test_what_another_process_has_done_is_not_repeated(run):
    _, events, outcome = run(('a', 1), ('b', 1), is_done=lambda job: job.title == 'a')
    assert events == ['b starts', 'b ends']
    assert outcome.left == 0


def test_an_interruption_ends_what_runs(monkeypatch):
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(queue.time, 'sleep', interrupt)
    events: list[str] = []
    jobs = [Job(title, 100, events) for title in 'abc']
    with pytest.raises(KeyboardInterrupt) as error:
        run_jobs(jobs, Path(), on_record=events.append, say=lambda line: None, parallel=2)
    assert error.traceback  # which still has the generators
    assert events == ['a starts', 'b starts', 'a is ended', 'b is ended']
