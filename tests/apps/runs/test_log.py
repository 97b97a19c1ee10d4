import json
import math

import pytest

from mmseg_attn.apps.runs.log import Launch, find_launches, join, seconds_per_iteration
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


def test_time_of_an_iteration_is_the_median_without_the_warm_up(tmp_path):
    assert seconds_per_iteration(find_launches(tmp_path)) is None

    def log(name: str, entries: list[dict], rest: str = '') -> None:
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        text = ''.join(json.dumps(entry) + '\n' for entry in entries)
        (folder / 'scalars.json').write_text(text + rest)

    times = [90.0, 1.0, 3.0, 50.0]
    validation = [{'mIoU': 3.0, 'mean_loss': 2.0, 'time': 700.0}]
    log('a', [dict(loss=1.0, time=time) for time in times] + validation, '{"loss": 1.0, "ti')
    log('b', [dict(loss=1.0, time=80.0), dict(loss=1.0, time=2.0)])
    assert seconds_per_iteration(find_launches(tmp_path)) == 2.5


def test_numbers_and_words_of_a_start(tmp_path):
    folder = write_start(tmp_path / '1', losses={2: 1.5, 4: 1.0}, scores={4: {'mIoU': 40.0}})
    launch = Launch(folder)
    assert [entry.get('loss', entry.get('mIoU')) for entry in launch.entries] == [1.5, 1.0, 40.0]
    assert launch.environment['GPU 0,1'] == 'Some Card'
    assert launch.environment['Python'].startswith('3.11.7 (main')
    assert launch.environment['seed'] == '7'
    assert (launch.times[-1] - launch.times[0]).total_seconds() == 120
    assert launch.resumed_at == 0


def test_where_it_went_on_from(tmp_path):
    assert Launch(write_start(tmp_path / '1', losses={6: 1.0}, resumed=4)).resumed_at == 4
    assert Launch(write_start(tmp_path / '2', losses={6: 1.0}, log=False)).resumed_at is None


def test_a_line_that_was_cut_and_prefixes_of_modes(tmp_path):
    file = write_start(tmp_path / '1', losses={}) / 'vis_data/scalars.json'
    file.write_text('{"train/loss": 2.0, "iter": 1}\n[1]\n{"val/mIoU": 3.0, "step": 1}\n{"loss": 1')
    assert Launch(tmp_path / '1').entries == [dict(loss=2.0, iter=1), dict(mIoU=3.0, step=1)]


def test_without_numbers_the_table_of_classes_is_taken(tmp_path):
    rows = ['split,epoch,iter,class,IoU,Acc', 'val,1,8,cell,60.0,9', 'val,1,8,"a, b",50.0,9']
    rows += ['val,2,16,cell,70.0,9', 'test,,,cell,1.0,9', 'val,2,16,"a, b",,']
    (tmp_path / '1').mkdir()
    (tmp_path / '1/per_class.csv').write_text('\n'.join(rows))
    assert Launch(tmp_path / '1').entries == [
        {'step': 8, 'IoU.cell': 60.0, 'IoU.a, b': 50.0, 'mIoU': 55.0},
        {'step': 16, 'IoU.cell': 70.0, 'mIoU': 70.0},
    ]


def test_starts_in_the_order_of_time_and_no_tests(tmp_path):
    for name, resumed in (('20240103_000000', 5), ('20240102_000000', 0)):
        write_start(tmp_path / name, losses={resumed + 1: 1.0}, resumed=resumed)
    (tmp_path / '20240104_000000').mkdir()
    (tmp_path / '20240104_000000/per_class.csv').write_text(
        'split,epoch,iter,class,IoU\ntest,,,a,1'
    )
    (tmp_path / 'best.pth').touch()
    names = [launch.folder.name for launch in find_launches(tmp_path)]
    assert names == ['20240102_000000', '20240103_000000']
