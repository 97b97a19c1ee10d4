"""What a job does, writes down and does not repeat."""

import json
from collections.abc import Iterator

import pytest
from mmengine.config import Config

from mmseg_attn.apps.runs import Job, Record
from mmseg_attn.apps.runs import job as module
from mmseg_attn.errors import RunError

TRAIN = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[3])
folder.mkdir(exist_ok=True)
(folder / 'last_checkpoint').write_text('elsewhere/iter_9.pth')
(folder.parent / 'calls.txt').open('a').write(' '.join(['train', *sys.argv[4:]]) + ';')
if Path(__file__).with_name('stop').exists():
    sys.exit('no space left')
(folder / 'best_mIoU_iter_8.pth').touch()
(folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
entries = '{"loss": 1.0, "iter": 4, "memory": 2048}\\n{"mIoU": 40.5, "step": 4}\\n'
(folder / 'now/vis_data/scalars.json').write_text(entries + '{"mIoU": 50.25, "step": 8}\\n')
(folder / 'now/x.log').write_text('2024/01/02 03:04:05 - a\\n2024/01/02 03:06:05 - b\\n')
"""
TEST = """
import json, sys
from pathlib import Path
folder, cfg = Path(sys.argv[4]) / '20240102_030405', {}
folder.mkdir(parents=True)
exec(Path(sys.argv[1]).read_text(), cfg)
metrics = cfg['test_evaluator']
metrics = metrics['metrics'] if 'metrics' in metrics else metrics
(folder.parent.parent / 'calls.txt').open('a').write(f'test {Path(sys.argv[2]).name};')
content = json.dumps(dict(name=1.0, mIoU=50.000001907, time=1.0))
(folder / '20240102_030405.json').write_text(content)
areas = dict(classes=['a', 'b'], images={cfg['test_dataloader']['name']: [[1, 2], [1, 3], [2, 2]]})
Path(metrics[-1]['out_file']).write_text(json.dumps(areas))
"""


@pytest.fixture
def tools(tmp_path):
    for name, code in (('train', TRAIN), ('test', TEST)):
        (tmp_path / f'{name}.py').write_text(code)
    return tmp_path


@pytest.fixture
def job(tmp_path):
    """Make a job whose evaluators and loaders differ by split."""

    def job(**changes) -> Job:
        splits = {f'{split}_dataloader': dict(name=f'{split}.txt') for split in ('val', 'test')}
        splits |= {f'{s}_evaluator': dict(type='PerClassIoUMetric') for s in ('val', 'test')}
        config = dict(model=dict(type='CSAM'), randomness=dict(seed=3), train_cfg={}) | splits
        arguments = dict(title='x', source='a/unet_1xb4_cells', fold=2, folder=tmp_path / 'run')
        return Job(**arguments | dict(config=Config(config)) | changes)

    return job


def finish(steps: Iterator[None]) -> Record:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def calls(tmp_path) -> str:
    return (tmp_path / 'run/calls.txt').read_text()


def test_a_job_trains_and_tests_and_returns_a_record(tools, job, tmp_path):
    one = job(options={'model.a': 1, 'data_root': '/x'}, command='python x')
    record = finish(one.run(tools, variables=dict(OMP_NUM_THREADS='1')))
    assert calls(tmp_path) == 'train;test best_mIoU_iter_8.pth;'
    assert record.config == 'a/unet_1xb4_cells'
    assert record.options == {'model.a': 1}
    assert record.key == one.key == (record.config_hash, 3, 'test', 'best')
    assert (record.fold, record.checkpoint) == (2, 'best_mIoU_iter_8.pth')
    assert record.metrics == dict(name=1.0, mIoU=50.000002)
    assert record.validations == {'4': 40.5, '8': 50.25}
    assert record.images == {'test.txt': [[1, 2], [1, 3], [2, 2]]}
    assert record.seconds['training'] == 120  # from the first to the last line of the log
    assert record.memory == 2048
    assert record.machine['threads'] == 1
    for used in ('models/layers/csam.py', 'evaluation/metrics/image_areas_metric.py'):
        assert used in record.code
    assert record.command == 'python x'
    assert str(tmp_path) not in json.dumps(record.__dict__)


@pytest.mark.parametrize('text', ['{"code": {', '[]', '{"trained": true}'])
def test_a_damaged_state_is_named(tools, job, tmp_path, text):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/state.json').write_text(text)
    with pytest.raises(RunError, match=r'run/state\.json is damaged: remove .*/run to train again'):
        finish(job().run(tools))


def test_another_split_of_the_same_training_is_only_tested(tools, job, tmp_path):
    finish(job().run(tools))
    record = finish(job(split='val', measured='last').run(tools))
    assert list(record.images) == ['val.txt']
    assert record.checkpoint == 'iter_9.pth'
    assert calls(tmp_path) == 'train;test best_mIoU_iter_8.pth;test iter_9.pth;'


@pytest.mark.parametrize(
    ('evaluator', 'expected'),
    [
        (dict(type='A'), [dict(type='A')]),
        ([dict(type='A'), dict(type='B')], [dict(type='A'), dict(type='B')]),
        (dict(type='SegEvaluator', metrics=[dict(type='A')]), [dict(type='A')]),
        (dict(type='A', ignore_index=7), [dict(type='A', ignore_index=7)]),
    ],
)
def test_the_areas_are_measured_beside_the_metrics(tools, job, tmp_path, evaluator, expected):
    one = job()
    one.config.test_evaluator = evaluator
    finish(one.run(tools))
    written = Config.fromfile(tmp_path / 'run/config_test.py').test_evaluator
    *metrics, areas = (
        written['metrics']
        if isinstance(evaluator, dict) and len(evaluator.get('metrics', ()))
        else written
    )
    assert metrics == expected
    assert areas.pop('out_file') == str(tmp_path / 'run/areas_test.json')
    ignored = 7 if 'ignore_index' in expected[0] else 255
    assert areas == dict(type='ImageAreasMetric', ignore_index=ignored)


def test_a_failure_is_raised_and_the_next_call_resumes(tools, job, tmp_path):
    (tmp_path / 'stop').touch()
    with pytest.raises(RunError, match=r'train.py failed with exit code 1: no space left'):
        finish(job().run(tools))
    (tmp_path / 'stop').unlink()
    record = finish(job().run(tools))
    assert record.resumed == 1
    assert calls(tmp_path).startswith('train;train --resume --cfg-options load_from=None;test')


def test_the_code_of_a_record_is_that_of_the_beginning(tools, job, tmp_path, monkeypatch):
    (tmp_path / 'stop').touch()
    with pytest.raises(RunError):
        finish(job().run(tools))
    (tmp_path / 'stop').unlink()
    monkeypatch.setattr(module, 'used_files', lambda config: {'x.py': 'new'})
    assert 'models/layers/csam.py' in finish(job().run(tools)).code


@pytest.mark.parametrize('restart', [False, True])
def test_changed_code_is_trained_again_only_if_asked(tools, job, tmp_path, monkeypatch, restart):
    finish(job().run(tools))
    monkeypatch.setattr(module, 'changed_files', lambda files: [*files][:1])
    finish(job().run(tools, restart=restart))
    assert calls(tmp_path).count('train') == 1 + restart
    assert calls(tmp_path).count('test') == 2


def test_two_processes_do_not_work_on_one_run(tools, job):
    first = job().run(tools)
    next(first)
    with pytest.raises(RunError, match='another process works in'):
        next(job().run(tools))
    finish(first)
    finish(job().run(tools))


def test_the_folder_of_a_run_is_named_after_it(job):
    one = job(
        options={'model.window_size': 7, 'model.neck': dict(type='N'), 'lr': 1, 'num_workers': 0}
    )
    digest = one.key.config_hash[:8]
    assert one.name == f'unet_1xb4_cells-window_size-7-neck-N_fold2_seed3_{digest}'
