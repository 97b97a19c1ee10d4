"""What a job writes down, so that a later call and the report understand it."""

import json

import pytest
from mmengine.config import Config

from mmseg_attn.apps.runs import FoldJob, Job
from mmseg_attn.errors import RunError

TRAIN = """
import sys
from pathlib import Path
folder = Path(sys.argv[3])
folder.mkdir(exist_ok=True)
(folder / 'last_checkpoint').write_text('elsewhere/iter_9.pth')
(folder / 'calls.txt').open('a').write(' '.join(sys.argv[4:]) + ';')
if Path(__file__).with_name('stop').exists():
    sys.exit('no space left')
"""
TEST = """
import json, sys
from pathlib import Path
folder = Path(sys.argv[4]) / '20240102_030405'
folder.mkdir(parents=True)
text = Path(sys.argv[1]).read_text()
(folder / 'x.json').write_text(json.dumps(dict(mIoU=float('val.txt' in text), time=1.0)))
"""


@pytest.fixture
def tools(tmp_path):
    for name, code in (('train', TRAIN), ('test', TEST)):
        (tmp_path / f'{name}.py').write_text(code)
    return tmp_path


@pytest.fixture
def config() -> Config:
    """A config whose evaluators and loaders differ by split."""
    splits = {
        f'{split}_{part}': dict(name=f'{split}.txt')
        for split in ('val', 'test')
        for part in ('dataloader', 'evaluator')
    }
    return Config(dict(randomness=dict(seed=3), **splits))


def test_a_job_records_what_is_done(tools, config, tmp_path):
    job = Job(config, 0, tmp_path / 'row/fold0')
    assert job.execute(tools, 'test') == dict(mIoU=1.0)  # the text still has the validation loader
    state = json.loads((job.folder / 'run.json').read_text())
    assert {'environment', 'date'} <= state.keys()
    assert state.pop('environment').keys() >= {'versions', 'CPU'}
    state.pop('date')
    assert state == dict(
        trained=True,
        seconds_per_iteration=None,
        seed=3,
        metrics=dict(test=dict(mIoU=1.0)),
        checkpoints=dict(test='iter_9.pth'),
    )
    config_of_test = Config.fromfile(job.folder / 'config_test.py')
    assert config_of_test.test_dataloader.name == 'test.txt'
    job.execute(tools, 'val')
    assert set(job.state()['metrics']) == {'test', 'val'}
    assert Config.fromfile(job.folder / 'config_val.py').test_evaluator.name == 'val.txt'
    assert (job.train_dir / 'calls.txt').read_text() == ';'  # trained once


def test_a_failure_is_recorded_and_the_next_call_resumes(tools, config, tmp_path):
    job = Job(config, 0, tmp_path / 'row/fold0')
    (tmp_path / 'stop').touch()
    with pytest.raises(RunError, match=r'train.py failed with exit code 1: no space left'):
        job.execute(tools)
    assert job.state()['failed'].startswith('train.py failed')
    assert not job.is_finished('test')
    (tmp_path / 'stop').unlink()
    job.execute(tools)
    assert 'failed' not in job.state()
    assert job.state()['resumed'] == 1
    calls = (job.train_dir / 'calls.txt').read_text()
    assert calls == ';--resume --cfg-options load_from=None;'


def test_another_config_in_the_folder_is_a_conflict(tools, config, tmp_path):
    job = Job(config, 0, tmp_path / 'row/fold0')
    assert job.conflict() == ''
    job.execute(tools)
    assert job.conflict() == ''
    other = Job(Config(dict(config.to_dict(), randomness=dict(seed=4))), 0, job.folder)
    assert 'has another configuration from line 1 on ("' in other.conflict()
    assert 'now "randomness = dict(seed=4)"' in other.conflict()


def test_a_fold_goes_on_from_the_record_of_an_earlier_call(tools, config, tmp_path):
    steps, folder = [], tmp_path / 'cv/fold1'
    folder.mkdir(parents=True)
    (folder / 'cross_validation.json').write_text('{"checkpoint": "iter_7.pth"}')
    file = tmp_path / 'config.py'
    file.write_text('x = 1')
    job = FoldJob(config, 1, folder, file=file, options=(), on_step=steps.append)
    assert job.execute(tools) == dict(mIoU=0.0)
    assert steps == [
        f'test: there is no best_*.pth in {folder}, so the last checkpoint is tested',
    ]
    record = json.loads((folder / 'cross_validation.json').read_text())
    assert record == dict(checkpoint='iter_7.pth', metrics=dict(mIoU=0.0))
    assert job.execute(tools) == dict(mIoU=0.0)
    assert len(steps) == 1
