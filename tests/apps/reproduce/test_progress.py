import pytest

from mmseg_attn.apps.reproduce import Progress, remaining

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


def test_estimate():
    now = [0.0]
    progress = Progress([100, 300, 200], clock=lambda: now[0])
    progress.start()
    assert str(progress) == '0 of 3 runs done, 0:00:00 elapsed, time left unknown'

    now[0] = 10.0
    progress.expect(30)  # 40 seconds for a cost of 100
    assert progress.left() == 30 + (300 + 200) * 0.4

    now[0] = 50.0
    progress.end()  # it took 50
    progress.start()
    now[0] = 80.0
    assert progress.left() == (300 * 0.5 - 30) + 200 * 0.5
    progress.expect(90)  # its own word counts for itself
    assert progress.left() == 90 + 200 * 0.5

    now[0] = 130.0
    progress.end(finished=False)  # fails: tells nothing about the pace
    progress.start()
    assert progress.left() == 200 * 0.5
    assert str(progress) == '2 of 3 runs done, 0:02:10 elapsed, about 0:01:40 left'
    now[0] = 530.0
    assert progress.left() == 0  # late
    progress.end()
    assert str(progress) == '3 of 3 runs done, 0:08:50 elapsed, about 0:00:00 left'


def test_nothing_to_do():
    assert Progress([]).left() == 0
