"""Two rows with the real tools, and everything else with tools that take no time."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmseg_attn.errors import RunError, UsageError
from tests.processes import HANG
from tools import reproduce

TRAIN = """
import json, os, sys
from pathlib import Path
config, folder = Path(sys.argv[1]), Path(sys.argv[sys.argv.index('--work-dir') + 1])
name = folder.parent.parent.name.partition('_')[0]
with open(os.environ['CALLS'], 'a') as file:
    print('train', name, folder.parent.name, *sys.argv[4:], file=file)
(folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
(folder / 'last_checkpoint').write_text('elsewhere/iter_600.pth')
print('INFO - Iter(train) [ 50/600]  lr: 1.0000e-03  eta: 0:10:00  time: 0.2', flush=True)
if os.environ.get('STOP') == f'train {name}':
    raise RuntimeError('CUDA out of memory | try less')
(folder / 'now/vis_data/scalars.json').write_text('{"loss": 1.0, "time": 0.25}')
(folder / 'best_mIoU_iter_400.pth').touch()
"""
TEST = """
import json, os, sys
from pathlib import Path
from mmengine.config import Config
import mmseg_attn
config, checkpoint, folder = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[4])
name, fold = folder.parent.parent.name.partition('_')[0], int(folder.parent.name[4:])
cfg = Config.fromfile(config, import_custom_modules=False)
with open(os.environ['CALLS'], 'a') as file:
    split = Path(cfg.test_dataloader.dataset.ann_file)
    print('test', name, split.parent.name, split.stem, checkpoint.name, file=file)
if os.environ.get('STOP') == f'test {name}':
    sys.exit('no space left')
(folder / '20240102_030405').mkdir(parents=True)
metrics = {'mIoU': 70.0 + 2 * fold, 'IoU.synapse': 40.123, 'time': 1.0}
(folder / '20240102_030405/20240102_030405.json').write_text(json.dumps(metrics))
"""
TABLES = """
cells:
  title: Cells
  paper: Someone, 2020, table 1
  split: test
  checkpoint: best
  folds: 3
  columns: &columns
    - {name: mean, metric: mIoU, decimals: 1}
    - {name: synapse, metric: IoU.synapse, scale: 0.01, decimals: 3}
    - {name: never, metric: IoU.never}
  rows:
    U-Net: {config: a/plain_1xb4-600i_cells-64x64, paper: [61.5, 0.425], note: theirs is older}
    U-Net++: {config: a/second_1xb4-600i_cells-64x64}
    Wide U-Net:
      config: a/plain_1xb4-600i_cells-64x64
      options: {optim_wrapper.optimizer.lr: 0.5}
      paper: [63.0, 0.455]
cells-reduced:
  title: Small cells
  split: test
  checkpoint: best
  columns: *columns
  rows:
    U-Net: {config: a/plain_1xb4-600i_cells-64x64}
cells-val:
  title: Cells, validation
  split: val
  checkpoint: last
  columns: *columns
  rows:
    U-Net: {config: a/plain_1xb4-600i_cells-64x64}
    Lost: {config: a/lost_1xb4-600i_cells-64x64}
"""
CONFIG = """
_base_ = '{root}/configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
model = dict(backbone=dict(channels=[4, {wide}]), decode_head=dict(in_channels=[4, {wide}]))
"""


@pytest.fixture
def project(tmp_path, root, pseudo_data, monkeypatch) -> Path:
    """Three tables of small configs, beside tools that only pretend."""
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('PYTHONPATH', str(root))
    monkeypatch.setenv('CALLS', str(tmp_path / 'calls.txt'))
    monkeypatch.setattr(reproduce, 'TOOLS', tmp_path)
    monkeypatch.setattr(reproduce, 'CONFIGS', tmp_path / 'configs')
    (tmp_path / 'train.py').write_text(TRAIN)
    (tmp_path / 'test.py').write_text(TEST)
    (tmp_path / 'configs/a').mkdir(parents=True)
    (tmp_path / 'configs/tables.yaml').write_text(TABLES)
    for name, wide in (('plain', 8), ('second', 16)):
        file = tmp_path / f'configs/a/{name}_1xb4-600i_cells-64x64.py'
        file.write_text(CONFIG.format(root=root, wide=wide))
    return tmp_path


@pytest.fixture
def run(project, monkeypatch):
    """Run the tool; returns what it called."""

    def run(*arguments: str, stop: str = '') -> list[str]:
        calls = project / 'calls.txt'
        calls.unlink(missing_ok=True)
        folders = ['--work-dir', str(project / 'work'), '--out', str(project / 'out')]
        with monkeypatch.context() as context:
            context.setenv('STOP', stop)
            reproduce.main([*arguments, *folders])
        return calls.read_text().splitlines() if calls.exists() else []

    return run


def calls_of(project: Path) -> list[str]:
    return (project / 'calls.txt').read_text().splitlines()


def table(file: Path) -> dict[str, dict[str, str]]:
    """The first table of a page, by model."""
    lines = [x for x in file.read_text().partition('\n![')[0].splitlines() if x.startswith('|')]
    header, _, *rows = [[cell.strip() for cell in x[1:-1].split(' | ')] for x in lines]
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


ALL = [
    'train plain fold0',
    'test plain fold0 test best_mIoU_iter_400.pth',
    'train second fold0',
    'test second fold0 test best_mIoU_iter_400.pth',
    'train plain fold0',
    'test plain fold0 test best_mIoU_iter_400.pth',
]


def test_all_rows_are_run_and_written_beside_the_papers_figures(run, project, capsys):
    assert run('cells') == ALL
    rows = table(project / 'out/cells-1of3folds.md')
    assert list(rows) == ['U-Net', 'U-Net++', 'Wide U-Net']
    first = rows['U-Net']
    assert first['mean, reported by the paper'] == '61.5'
    assert first['mean, measured here'] == '70.0'
    assert first['synapse, reported by the paper'] == '0.425'
    assert first['synapse, measured here'] == '0.401'
    assert first['never, measured here'] == 'not defined'
    assert 'never, reported by the paper' not in first
    assert first['s per iteration'] == '0.25'
    assert rows['U-Net++']['mean, reported by the paper'] == ''
    page = (project / 'out/cells-1of3folds.md').read_text()
    assert '"Reported by the paper": Someone, 2020, table 1.' in page
    assert '`a/plain_1xb4-600i_cells-64x64`, `optim_wrapper.optimizer.lr=0.5`' in page
    assert '| theirs is older |' in page
    assert 'python tools/reproduce.py cells\n' in page
    assert '- seed: 0' in page
    assert 'torch ' in page
    assert 'cores' in page
    assert '![Cells](cells-1of3folds.png)' in page
    assert (project / 'out/cells-1of3folds.png').read_bytes()[:4] == b'\x89PNG'
    assert '3 of 3 runs done' in capsys.readouterr().out

    with (project / 'out/cells-1of3folds.csv').open(newline='') as file:
        lines = {line['model']: line for line in csv.DictReader(file)}
    assert lines['Wide U-Net']['synapse, reported by the paper'] == '0.455'
    assert float(lines['Wide U-Net']['synapse, measured here']) == pytest.approx(0.40123)
    assert lines['U-Net++']['mean, reported by the paper'] == ''
    assert lines['U-Net']['never, measured here'] == ''
    assert int(lines['U-Net']['parameters']) < int(lines['U-Net++']['parameters'])
    assert {line['state'] for line in lines.values()} == {'finished'}


def test_options_of_a_row_are_in_its_config_alone(run, project):
    run('cells')
    folders = sorted(project.glob('work/*/fold0/config.py'))
    names = [file.parent.parent.name for file in folders]
    assert names == [
        'plain_1xb4-600i_cells-64x64',
        'plain_1xb4-600i_cells-64x64-lr-0.5',
        'second_1xb4-600i_cells-64x64',
    ]
    assert ['lr=0.5' in file.read_text() for file in folders] == [False, True, False]


def test_finished_rows_are_skipped(run, capsys):
    run('cells')
    assert run('cells') == []
    assert '== U-Net: already finished' in capsys.readouterr().out


def test_rows_that_are_not_run_are_empty(run, project):
    assert run('cells', '--rows', 'u-net-plus-plus') == ALL[2:4]
    rows = table(project / 'out/cells-1of3folds.md')
    assert rows['U-Net++']['mean, measured here'] == '70.0'
    assert rows['U-Net']['mean, reported by the paper'] == '61.5'
    for name in ('U-Net', 'Wide U-Net'):
        assert rows[name]['mean, measured here'] == rows[name]['s per iteration'] == ''
    assert 'Empty cells have not been run yet.' in (project / 'out/cells-1of3folds.md').read_text()
    assert run('cells', '--rows', 'U-Net', 'Wide U-Net') == [*ALL[:2], *ALL[4:]]
    assert 'An empty cell' not in (project / 'out/cells-1of3folds.md').read_text()


def test_a_row_that_fails_does_not_lose_the_others(run, project, capsys):
    with pytest.raises(RunError, match=r'(?s)some rows failed.*U-Net\+\+: train.py failed'):
        run('cells', stop='train second')
    assert calls_of(project) == [*ALL[:3], *ALL[4:]]
    rows = table(project / 'out/cells-1of3folds.md')
    assert rows['U-Net++']['mean, measured here'] == 'failed'
    assert rows['Wide U-Net']['mean, measured here'] == '70.0'
    page = (project / 'out/cells-1of3folds.md').read_text()
    reason = r'failed with exit code 1: RuntimeError: CUDA out of memory \| try less'
    assert f'| failed |  | failed: train.py {reason}' in page
    assert 'Traceback' in (project / 'work/second_1xb4-600i_cells-64x64/fold0/log.txt').read_text()
    assert 'U-Net++: train.py failed' in capsys.readouterr().err

    # the next time it is resumed, and says so
    resumed = 'train second fold0 --resume --cfg-options load_from=None'
    assert run('cells') == [resumed, ALL[3]]
    page = (project / 'out/cells-1of3folds.md').read_text()
    assert 'failed' not in page
    assert page.count('interruptions: 1') == 1


def test_a_test_that_fails_is_repeated_without_the_training(run, project):
    with pytest.raises(RunError, match=r'(?s)U-Net\+\+: test.py failed .* no space left'):
        run('cells', stop='test second')
    assert run('cells') == [ALL[3]]


def test_a_config_that_is_missing_is_a_failed_row(run, project):
    with pytest.raises(RunError, match=r'Lost: .*lost_1xb4-600i_cells-64x64.py is missing'):
        run('cells-val')
    assert calls_of(project) == ['train plain fold0', 'test plain fold0 val iter_600.pth']
    assert table(project / 'out/cells-val.md')['Lost']['mean'] == 'failed'


def test_progress_and_time_left_are_shown(run, capsys, monkeypatch):
    monkeypatch.setattr(reproduce, 'QUIET', 0)
    run('cells')
    out = capsys.readouterr().out
    assert re.search(r'== U-Net: starts\. 0 of 3 runs done, \d+:\d\d:\d\d elapsed', out)
    assert '== U-Net: Iter(train) [ 50/600]. 0 of 3 runs done, ' in out
    assert 'elapsed, about ' in out
    assert '== U-Net++: starts. 1 of 3 runs done, ' in out


def test_folds_give_mean_and_deviation(run, project):
    run('cells', '--rows', 'U-Net')
    alone = project / 'out/cells-1of3folds.md'
    one_fold = alone.read_text()
    assert '**Our figures are of fold 0 of 3**, not the mean of all.' in one_fold
    assert '| finished, fold 0 of 3 |' in one_fold
    trained = [call for call in run('cells', '--rows', 'U-Net', '--folds', '3') if 'train' in call]
    assert trained == [f'train plain fold{fold}' for fold in range(1, 3)]
    assert table(project / 'out/cells.md')['U-Net']['mean, measured here'] == '72.0 ± 2.0'
    page = (project / 'out/cells.md').read_text()
    assert 'finished, 3 of 3 folds' in page
    assert 'not run, 0 of 3 folds' in page
    assert 'python tools/reproduce.py cells --folds 3\n' in page
    assert 'Our figures are of' not in page
    assert alone.read_text() == one_fold


def test_another_split_of_the_same_training_is_only_tested(run, project):
    run('cells', '--rows', 'U-Net')
    assert run('cells-val', '--rows', 'U-Net') == ['test plain fold0 val iter_600.pth']
    state = json.loads(next(project.glob('work/plain*64/fold0/run.json')).read_text())
    assert set(state['metrics']) == {'test', 'val'}


def test_a_shortened_training_is_labeled_and_kept_apart(run, project):
    run('cells')
    before = (project / 'out/cells-1of3folds.md').read_text()
    run('cells', '--max-iters', '20', '--rows', 'U-Net')
    assert (project / 'out/cells-1of3folds.md').read_text() == before
    assert 'cut' not in before
    page = (project / 'out/cells-1of3folds-20i.md').read_text()
    assert '**The trainings here are cut to 20 of 600 iterations**' in page
    assert '--max-iters 20\n' in page
    (short,) = project.glob('work/plain_1xb4-600i_cells-64x64-20i/fold0/config.py')
    assert 'max_iters=20' in short.read_text()
    with (project / 'out/cells-1of3folds-20i.csv').open(newline='') as file:
        assert next(csv.DictReader(file))['training'] == 'cut to 20 of 600 iterations'


def test_a_training_shortened_by_an_option_is_labeled_too(run, project):
    run('cells', '--rows', 'U-Net', '--cfg-options', 'train_cfg.max_iters=30')
    page = (project / 'out/cells-1of3folds.md').read_text()
    assert 'cut to 30 of 600 iterations' in page
    assert '--cfg-options train_cfg.max_iters=30' in page


def test_a_reduced_protocol_shows_no_figures_of_a_paper(run, project):
    run('cells', '--protocol', 'reduced')
    page = (project / 'out/cells-reduced.md').read_text()
    assert 'reported by the paper' not in page
    assert 'All figures were measured here.' in page
    assert 'reported by the paper' not in (project / 'out/cells-reduced.csv').read_text()
    assert not (project / 'out/cells-1of3folds.md').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['cells-val', '--protocol', 'reduced'], 'has no reduced protocol: choose from cells'),
        (
            ['cells', '--rows', 'v-net'],
            'v-net is not a row of cells: choose from u-net, u-net-plus',
        ),
        (['cells', '--folds', '4'], '--folds 4 is too large: cells has 3'),
        (['cells', '--max-epochs', '3'], 'not trained by epochs: use --max-iters'),
        (['cells', '--cfg-options', 'seed'], 'seed has no value: write KEY=VALUE'),
        (['cells', '--cfg-options', 'lr=1'], 'lr does not fit a/plain.*, which has no lr'),
        (
            ['cells', '--cfg-options', 'model.neck.level=1'],
            'which has no model.neck: correct the key, or choose the rows',
        ),
        (
            ['cells', '--cfg-options', 'optim_wrapper.optimizer.lr=0.1'],
            'optim_wrapper.optimizer.lr is what the rows of this table differ in',
        ),
    ],
)
def test_requests_that_cannot_work_are_refused_at_once(run, project, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(*arguments)
    assert not (project / 'work').exists()
    assert not (project / 'out').exists()


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_dataloader.batch_sze=3', r'did you mean train_dataloader\.batch_size\?'),
        ('param_scheduler={0:(1,2)}', 'is a dict, which is not possible on the command line'),
    ],
)
def test_options_that_nothing_takes_are_refused_at_once(run, project, option, message):
    with pytest.raises(UsageError, match=message):
        run('cells', '--cfg-options', option)
    assert not (project / 'work').exists()


def test_rows_that_are_not_chosen_need_not_take_the_options(run, project, root):
    text = CONFIG.format(root=root, wide=16)
    neck = "neck=dict(type='DABottleneck', channels=16, level=1), "
    file = project / 'configs/a/second_1xb4-600i_cells-64x64.py'
    file.write_text(text.replace('model = dict(', f'model = dict({neck}'))
    option = 'model.neck.residual=False'
    calls = run('cells', '--rows', 'U-Net++', '--cfg-options', option)
    assert calls
    page = table(project / 'out/cells-1of3folds.md')
    assert page['U-Net++']['mean, measured here'] == '70.0'
    assert page['U-Net']['mean, measured here'] != '70.0'
    with pytest.raises(UsageError, match=r'which has no model\.neck'):
        run('cells', '--rows', 'U-Net', '--cfg-options', option)


def test_missing_data_is_one_sentence(run, project, monkeypatch):
    monkeypatch.setenv('DROSOPHILA_ROOT', str(project / 'nowhere'))
    with pytest.raises(UsageError, match=r'^The split file \S+nowhere\S+ is missing: [^\n]+$'):
        run('cells')
    assert not (project / 'work').exists()


def test_results_of_another_configuration_are_not_mixed_in(run, project):
    run('cells', '--rows', 'U-Net')
    before = (project / 'out/cells-1of3folds.md').read_text()
    with pytest.raises(
        UsageError, match=r'has another configuration from line \d+ on .*interval=7'
    ):
        run('cells', '--rows', 'U-Net++', '--cfg-options', 'default_hooks.logger.interval=7')
    assert (project / 'out/cells-1of3folds.md').read_text() == before


def test_two_rows_with_the_real_tools(root, pseudo_data, tmp_path):
    options = [
        f'{split}_dataloader.{option}'
        for split in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ]
    options += ['train_dataloader.dataset.pipeline.2.crop_size=(32,32)']
    options += ['default_hooks.logger.interval=1']
    command = [sys.executable, '-W', 'ignore', 'tools/reproduce.py', 'drosophila']
    done = subprocess.run(
        [
            *[*command, '--protocol', 'reduced', '--rows', 'sa-unet', 'lfa-unet'],
            *['--max-iters', '2', '--work-dir', str(tmp_path / 'work')],
            *['--out', str(tmp_path), '--cfg-options', *options],
        ],
        cwd=root,
        env=os.environ | pseudo_data | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stdout
    assert '2 of 2 runs done' in done.stdout
    rows = table(tmp_path / 'drosophila-reduced-1of5folds-2i.md')
    for name in ('SA-UNet', 'LFA-UNet'):
        assert 0 <= float(rows[name]['mean']) <= 100
        assert float(rows[name]['s per iteration']) > 0
    assert rows['U-Net']['mean'] == ''
    for state in tmp_path.glob('work/*/fold0/run.json'):
        metrics = json.loads(state.read_text())['metrics']['test']
        (result,) = state.parent.glob('test/*/*.json')
        assert json.loads(result.read_text())['mIoU'] == metrics['mIoU']
