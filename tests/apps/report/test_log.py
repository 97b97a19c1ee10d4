import math

import pytest

from mmseg_attn.apps.report.launch import Launch
from mmseg_attn.apps.report.log import join
from tests.data.work_dirs import write_start


@pytest.fixture
def start(tmp_path):
    """Write one start after the other."""
    count = iter(range(10))

    def start(**content) -> Launch:
        return Launch(write_start(tmp_path / str(next(count)), **content))

    return start


def test_a_start_that_resumed_replaces_what_it_does_again(start):
    first = start(losses={2: 9, 4: 8, 6: 7}, scores={3: {'mIoU': 1.0}, 6: {'mIoU': 2.0}})
    second = start(losses={6: 5, 8: 4}, scores={6: {'mIoU': 3.0}}, resumed=4)
    log = join([first, second])
    assert log.curve('loss', 'iteration') == ([2, 4, 6, 8], [9, 8, 5, 4])
    assert log.curve('mIoU', 'iteration') == ([3, 6], [1.0, 3.0])


def test_a_start_from_scratch_replaces_everything(start):
    first = start(losses={2: 9, 3: 8}, scores={1: {'mIoU': 2.0}, 3: {'mIoU': 3.0}})
    log = join([first, start(losses={5: 5})])
    assert log.curve('loss', 'iteration') == ([5], [5])
    assert log.curve('mIoU', 'iteration') == ([], [])


@pytest.mark.parametrize(('begin', 'steps'), [(3, [1, 2, 3, 4]), (1, [1, 4])])
def test_without_a_text_the_first_number_decides(start, begin, steps):
    first = start(losses={1: 9, 2: 8, 3: 7}, log=False)
    second = start(losses={begin: 5, 4: 5}, log=False)
    assert join([first, second]).curve('loss', 'iteration')[0] == steps


def test_epochs(start):
    log = join(
        [
            start(
                losses={10: 3, 20: 2, 34: 1},
                epochs={10: 1, 20: 1, 34: 2},
                scores={1: {'mIoU': 5.0}, 2: {'mIoU': 6.0}},
            )
        ]
    )
    assert log.by_epoch
    assert log.unit == 'epoch'
    assert log.epoch_length == 20  # the most that is logged of an epoch
    assert log.curve('loss', 'epoch') == (pytest.approx([0.5, 1, 1.7]), [3, 2, 1])
    assert log.curve('mIoU', 'epoch') == ([1, 2], [5.0, 6.0])
    assert log.curve('mIoU', 'iteration') == ([20, 40], [5.0, 6.0])
    assert log.curve('loss', 'iteration')[0] == [10, 20, 34]


def test_values_that_are_not_finite_or_missing_are_left_out(start):
    scores = {1: {'mIoU': 1.0, 'IoU.b': 1.0}, 2: {'mIoU': math.nan}, 3: {'mIoU': 2.0, 'IoU.a': 3.0}}
    log = join([start(losses={1: 1, 2: math.inf}, scores=scores)])
    assert log.curve('mIoU', 'iteration') == ([1, 3], [1.0, 2.0])
    assert log.curve('loss', 'iteration') == ([1], [1])
    assert log.classes == ['b', 'a']


def test_the_best_is_the_first_of_the_largest(start):
    scores = {2: {'mIoU': 1.0}, 4: {'mIoU': 3.0}, 6: {'mIoU': 3.0}}
    assert join([start(losses={1: 1}, scores=scores)]).best() == (4, 3.0)
    assert join([start(losses={1: 1})]).best() is None
