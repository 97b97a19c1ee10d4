"""Two folds with the real tools, and everything else with tools that take no time."""

import csv
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmseg_attn.errors import RunError, UsageError
from tests.processes import HANG
from tools import cross_validate

REAL = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
TRAIN = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[sys.argv.index('--work-dir') + 1])
fold = folder.parent.name.removeprefix('fold')
with open(folder.parent.parent / 'calls.txt', 'a') as file:
    print('train', fold, *sys.argv[4:], file=file)
folder.mkdir(exist_ok=True)
(folder / 'last_checkpoint').write_text('elsewhere/epoch_10.pth')
if os.environ.get('STOP') == 'train' + fold:
    sys.exit(3)
if os.environ.get('SLEEP') == 'train' + fold:
    (folder / 'pid').write_text(str(os.getpid()))
    time.sleep(7200)
for name in os.environ.get('BEST', 'best_mIoU_epoch_9.pth best_mIoU_epoch_10.pth').split():
    (folder / name).touch()
"""
TEST = """
import json, os, sys
from pathlib import Path
folder, cfg = Path(sys.argv[4]), {}
exec(Path(sys.argv[1]).read_text(), cfg)
fold = cfg['test_dataloader']['dataset']['ann_file'].removeprefix('fold').removesuffix('.txt')
with open(folder.parent.parent / 'calls.txt', 'a') as file:
    print('test', fold, Path(sys.argv[2]).name, *sys.argv[5:], file=file)
if os.environ.get('STOP') == 'test' + fold:
    sys.exit(3)
metrics = {'mIoU': 70.0 + int(fold), 'IoU.cell': [60.0, float('nan'), 65.0][int(fold)], 'time': 1.0}
(folder / '20240102_030405').mkdir(parents=True)
(folder / '20240102_030405/20240102_030405.json').write_text(json.dumps(metrics))
areas = dict(classes=['cell'], images={'1.png': [[1], [2], [3]]})
Path(cfg['test_evaluator'][-1]['out_file']).write_text(json.dumps(areas))
"""
CONFIG = """
root = '{root}'
train_dataloader = dict(dataset=dict(data_root=root, ann_file='fold{{{{$FOLD:0}}}}.txt'))
val_dataloader = test_dataloader = dict(train_dataloader)
val_evaluator = test_evaluator = dict(type='PerClassIoUMetric')
train_cfg = dict(max_epochs=10)
default_hooks = dict(checkpoint=dict(save_best='mIoU'))
a, c, lr = dict(b=0), [0, 0], 0.01  # for options
"""


@pytest.fixture
def config(tmp_path) -> Path:
    """A config with three folds, beside tools that only pretend."""
    shutil.copy(cross_validate.__file__, tmp_path)
    (tmp_path / 'train.py').write_text(TRAIN)
    (tmp_path / 'test.py').write_text(TEST)
    for fold in range(3):
        (tmp_path / f'fold{fold}.txt').touch()
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=tmp_path))
    return config


@pytest.fixture
def validate(config, tmp_path, monkeypatch):
    """Run the tool; returns what it called."""
    monkeypatch.setattr(cross_validate, 'TOOLS', tmp_path)

    def validate(*flags: str, **environment: str) -> list[str]:
        calls = tmp_path / 'work/calls.txt'
        calls.unlink(missing_ok=True)
        arguments = [str(config), '--folds', '3', '--work-dir', str(tmp_path / 'work'), *flags]
        with monkeypatch.context() as context:
            for name, value in environment.items():
                context.setenv(name, value)
            cross_validate.main(arguments)
        return calls.read_text().splitlines() if calls.exists() else []

    return validate


ALL = [
    f'{tool} {fold}{checkpoint}'
    for fold in range(3)
    for tool, checkpoint in (('train', ''), ('test', ' best_mIoU_epoch_10.pth'))
]


def test_every_fold_is_trained_and_its_best_checkpoint_tested(validate, tmp_path, capsys):
    assert validate() == ALL
    summary = json.loads((tmp_path / 'work/cross_validation.json').read_text())
    assert summary == {
        'mIoU': dict(mean=71.0, std=1.0, folds=[70.0, 71.0, 72.0]),
        'IoU.cell': dict(mean=62.5, std=statistics.stdev([60, 65]), folds=[60.0, None, 65.0]),
    }
    with (tmp_path / 'work/cross_validation.csv').open(newline='') as file:
        header, *rows = csv.reader(file)
    assert header == ['metric', 'mean', 'std', 'fold0', 'fold1', 'fold2']
    assert rows[0] == ['mIoU', '71.0', '1.0', '70.0', '71.0', '72.0']
    assert [row[4] for row in rows] == ['71.0', '']
    out = capsys.readouterr().out
    assert '| IoU.cell | 62.5 | 3.536 |    60 |     - |    65 |' in out
    first, *others = (f'{tmp_path}/work/fold{k}/train/best_mIoU_epoch_10.pth' for k in range(3))
    assert f' {first} IMAGES --out predicted --checkpoints {" ".join(others)}\n' in out


def test_finished_folds_are_not_repeated(validate):
    validate()
    assert validate() == []


@pytest.mark.parametrize(
    ('stop', 'second'),
    [
        ('train1', ['train 1 --resume --cfg-options load_from=None', ALL[3]]),
        ('test1', [ALL[3]]),
    ],
)
def test_a_fold_that_fails_does_not_stop_the_others_and_the_next_run_resumes(
    validate, tmp_path, stop, second
):
    reason = rf'(?s)fold 1: {stop[:-1]}.py failed with exit code 3.*same command again to resume'
    with pytest.raises(RunError, match=reason):
        validate(STOP=stop)
    assert (tmp_path / 'work/calls.txt').read_text().splitlines()[-2:] == ALL[4:]
    assert validate() == second


def test_options_reach_every_config_and_the_check(validate, tmp_path):
    calls = validate('--cfg-options', 'a.b=1', 'c="[1,2]"')
    assert len(calls) == 6
    for fold in range(3):
        for name in ('config.py', 'config_test.py'):
            config = Config.fromfile(tmp_path / f'work/fold{fold}/{name}')
            assert (config.a.b, config.c) == (1, [1, 2])
    same = ['train_dataloader', 'val_dataloader', 'test_dataloader']
    same = [f'{loader}.dataset.ann_file=fold0.txt' for loader in same]
    with pytest.raises(UsageError, match='does not read FOLD'):
        validate('--cfg-options', *same)


def test_masks_and_splits_that_are_newer_than_the_scores_are_named(tmp_path):
    for name in ('images/a.png', 'masks/a.png', 'fold0.txt', 'record.json'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('a')
        os.utime(tmp_path / name, (1000, 1000))
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        ann_file='fold0.txt',
        metainfo=dict(classes=['x'], palette=[[0, 0, 0]]),
        pipeline=[],
    )
    config = Config({f'{split}_dataloader': dict(dataset=dataset) for split in ('train', 'test')})
    job = SimpleNamespace(config=config, record=tmp_path / 'record.json')
    assert cross_validate.changed_since(job) is None
    for name in ('masks/a.png', 'fold0.txt'):
        os.utime(tmp_path / name, (1001, 1001))
        assert cross_validate.changed_since(job) == tmp_path / name


def test_without_a_best_checkpoint_the_last_is_tested(validate):
    assert validate(BEST='')[1] == 'test 0 epoch_10.pth'


def test_one_fold_has_no_deviation(validate, tmp_path, capsys):
    assert validate('--folds', '1') == ALL[:2]
    text = capsys.readouterr().out
    assert '== 1 fold of ' in text
    assert re.search(r'== The tested checkpoint is \S+/fold0/train/best\S+\.pth', text)
    summary = json.loads((tmp_path / 'work/cross_validation.json').read_text())
    assert summary['mIoU'] == dict(mean=70.0, std=None, folds=[70.0])


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('{{$FOLD:0}}', '0', 'does not read FOLD, so all folds would be the same'),
        ("'mIoU'", "['mIoU', 'mean_loss']", 'set default_hooks.checkpoint.save_best to one'),
        ('test_dataloader = ', 'other_dataloader = ', 'has no test_dataloader: add one'),
        ('fold{{', 'split{{', r'split0.txt of fold 0 is missing: prepare the data'),
    ],
)
def test_configs_that_cannot_work_are_refused_at_once(validate, config, old, new, message):
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=message):
        validate()
    assert not (config.parent / 'work').exists()


def test_too_many_folds_are_refused_at_once(validate, tmp_path):
    with pytest.raises(UsageError, match=r'fold3.txt of fold 3 is missing: .* lower --folds'):
        validate('--folds', '4')
    with pytest.raises(UsageError, match='at least 1, got 0'):
        validate('--folds', '0')
    assert not (tmp_path / 'work').exists()


def test_results_of_another_configuration_are_not_mixed_in(validate):
    validate()
    with pytest.raises(UsageError, match='contains a cross-validation of another configuration'):
        validate('--cfg-options', 'lr=0.1')


def test_a_terminated_run_takes_its_child_along(config, tmp_path, root):
    command = [sys.executable, str(tmp_path / 'cross_validate.py'), str(config)]
    environment = os.environ | dict(PYTHONPATH=str(root), SLEEP='train0', OMP_NUM_THREADS='1')
    parent = subprocess.Popen(
        [*command, '--folds', '3', '--work-dir', str(tmp_path / 'work')],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    pid = tmp_path / 'work/fold0/train/pid'
    while not (pid.exists() and pid.read_text()):
        assert parent.poll() is None, parent.communicate()[0]
        time.sleep(0.1)
    parent.send_signal(signal.SIGTERM)
    assert 'error: the cross-validation was ended by SIGTERM' in parent.communicate(timeout=HANG)[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_two_folds_with_the_real_tools(root, pseudo_data, tmp_path):
    loaders = [
        f'{split}_dataloader.{option}'
        for split in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ]
    command = [sys.executable, '-W', 'ignore', 'tools/cross_validate.py', REAL, '--folds', '2']
    done = subprocess.run(
        [
            *[*command, '--work-dir', str(tmp_path), '--cfg-options', *loaders],
            *['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'model.backbone.channels=[4,8]'],
            *['model.decode_head.in_channels=[4,8]', 'test_evaluator.type=PerClassIoUMetric'],
            'train_dataloader.dataset.pipeline.2.crop_size=(32,32)',
        ],
        cwd=root,
        env=os.environ | pseudo_data | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stdout
    summary = json.loads((tmp_path / 'cross_validation.json').read_text())
    assert {'mIoU', 'IoU.membrane', 'Acc.intracellular'} <= summary.keys()
    for fold in range(2):
        (log,) = (tmp_path / f'fold{fold}/train').glob('*/*.log')
        assert f'splits/fold{fold}/train.txt' in log.read_text()
        (result,) = (tmp_path / f'fold{fold}/test').glob('*/*.json')
        logged = json.loads(result.read_text())['mIoU']
        assert summary['mIoU']['folds'][fold] == pytest.approx(logged, abs=1e-6)
