"""Real workers hand the right sizes to the model, resumed or not."""

import importlib.util
import multiprocessing
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import HOOKS

from tests.processes import run_ranks

SCRIPT = Path(__file__).with_name('train_with_schedule.py')
SMALL, LARGE = 6 * [(8, 8)], 6 * [(16, 16)]  # of the six iterations of an epoch


@pytest.fixture(scope='module')
def script():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[SCRIPT.stem] = module  # where the workers' pickles look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def train(script, tmp_path):
    runners = []

    def end_workers() -> None:  # not when the garbage collector happens to come by
        for runner in runners:
            runner.train_dataloader._iterator = None

    def train(**options):
        end_workers()
        runners.append(script.train(tmp_path, **options))
        return runners[-1]

    yield train
    end_workers()


@pytest.mark.parametrize(('workers', 'persistent'), [(2, True), (2, False), (0, False)])
def test_sizes_follow_the_schedule(train, workers, persistent):
    runner = train(workers=workers, persistent=persistent)
    assert runner.model.shapes == 2 * SMALL + 2 * LARGE


def test_the_workers_of_the_first_phase_end(train):
    before = set(multiprocessing.active_children())
    runner = train()
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    assert workers == set(runner.train_dataloader._iterator._workers)


@pytest.mark.parametrize('stop', [1, 2, 3])
def test_resume(train, stop):
    train(epochs=stop)
    runner = train(resume=True)
    assert runner.model.shapes == (2 * SMALL + 2 * LARGE)[6 * stop :]


def test_wrapped_datasets(train):
    repeated = dict(type='RepeatDataset', times=2, dataset=dict(type='ScheduledImages'))
    both = dict(type='ConcatDataset', datasets=[repeated, dict(type='ScheduledImages')])
    runner = train(dataset=both, epochs=3)
    assert runner.model.shapes == 6 * SMALL + 3 * LARGE


def test_two_ranks(tmp_path):
    for done in run_ranks('tests/engine/hooks/train_with_schedule.py', tmp_path):
        assert done.returncode == 0, done.stderr


def test_without_a_resize_it_refuses(script, train):
    with pytest.raises(ValueError, match=r"needs a dict\(type='Resize', ...\)"):
        train(dataset=script.Images(resize=False))


def test_without_epochs_it_refuses(train):
    with pytest.raises(ValueError, match=r'set train_cfg.type to Epoch'):
        train(loop=dict(by_epoch=False, max_iters=2))


@pytest.mark.parametrize(
    ('schedule', 'message'),
    [
        ({}, 'scale for epoch 0'),
        ({1: (8, 8)}, 'scale for epoch 0'),
        ({0: (8,)}, r'like \(512, 512\), got \(8,\)'),
        ({0: (8, 8), 1: (8, 0)}, r'got \(8, 0\)'),
        ({0: (0.5, 0.5)}, r'got \(0.5, 0.5\)'),
    ],
)
def test_schedules_that_make_no_sense(schedule, message):
    with pytest.raises(ValueError, match=message):
        HOOKS.build(dict(type='ResolutionScheduleHook', schedule=schedule))


def test_the_schedule_survives_a_dumped_config(tmp_path):
    config = dict(type='ResolutionScheduleHook', schedule={0: (256, 256), 100: (512, 512)})
    Config(dict(custom_hooks=[config])).dump(tmp_path / 'config.py')
    (read,) = Config.fromfile(tmp_path / 'config.py').custom_hooks
    assert HOOKS.build(read).schedule == {0: (256, 256), 100: (512, 512)}


@pytest.mark.parametrize(('size', 'refused'), [((512, 256), True), (None, False)])
def test_images_that_would_be_padded_are_refused(size, refused):
    hook = HOOKS.build(dict(type='ResolutionScheduleHook', schedule={0: (128, 128), 1: (256, 512)}))
    pipeline = Compose([dict(type='Resize', scale=(256, 512))])
    runner = SimpleNamespace(
        train_loop=EpochBasedTrainLoop.__new__(EpochBasedTrainLoop),
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(pipeline=pipeline)),
        model=SimpleNamespace(data_preprocessor=SimpleNamespace(size=size)),
    )
    message = r'data_preprocessor\.size is \(512, 256\), to which smaller images are padded'
    with pytest.raises(ValueError, match=message) if refused else nullcontext():
        hook.before_train(runner)
