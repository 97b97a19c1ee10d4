"""A row with the real tools, and everything else with tools that take no time."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.utils import digit_version

from mmseg_attn.apps.runs import Record, queue, read_records
from mmseg_attn.errors import RunError, UsageError
from tests.processes import HANG
from tests.tables import md_tables
from tools import reproduce

TRAIN = """
import os, sys
from pathlib import Path
config, folder = Path(sys.argv[1]), Path(sys.argv[sys.argv.index('--work-dir') + 1])
name, _, rest = folder.parent.name.partition('_')
with open(os.environ['CALLS'], 'a') as file:
    print('train', name, *rest.split('_')[-3:-1], *sys.argv[4:], file=file)
(folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
(folder / 'last_checkpoint').write_text('elsewhere/iter_600.pth')
print('INFO - Iter(train) [  50/600]  lr: 1.0000e-03  eta: 0:10:00  time: 0.2', flush=True)
if os.environ.get('STOP') == f'train {name}':
    raise RuntimeError('CUDA out of memory | try less')
(folder / 'now/vis_data/scalars.json').write_text('{"loss": 1.0, "time": 0.25, "iter": 1}')
(folder / 'best_mIoU_iter_400.pth').touch()
"""
TEST = """
import json, os, sys
from pathlib import Path
config, checkpoint, folder = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[4])
name, cfg = folder.parent.name.partition('_')[0], {}
exec(config.read_text(), cfg)
split, seed = Path(cfg['test_dataloader']['dataset']['ann_file']), cfg['randomness']['seed']
fold = int(split.parent.name[4:])
with open(os.environ['CALLS'], 'a') as file:
    print('test', name, split.parent.name, split.stem, checkpoint.name, *sys.argv[5:], file=file)
if os.environ.get('STOP') == f'test {name}':
    sys.exit('no space left')
(folder / '20240102_030405').mkdir(parents=True)
(folder / '20240102_030405/20240102_030405.json').write_text(json.dumps(dict(mIoU=1.0, loss=0.5)))
right = 70 + 2 * fold + seed  # percent of the IoU of each class
areas = dict(classes=['gap', 'synapse'], images={'1.png': [[right] * 2, [100] * 2, [right] * 2]})
Path(cfg['test_evaluator'][-1]['out_file']).write_text(json.dumps(areas))
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
cells-small:
  title: Small cells
  split: test
  checkpoint: best
  options: {train_cfg.max_iters: 50}
  columns: *columns
  rows:
    U-Net: {config: a/plain_1xb4-600i_cells-64x64}
same-small:
  title: The same cells
  split: test
  checkpoint: best
  folds: 3
  columns: *columns
  rows:
    none: {config: a/plain_1xb4-600i_cells-64x64}
recipe-small:
  title: A recipe for cells
  split: test
  checkpoint: best
  options: {train_cfg.max_iters: 50}
  columns: *columns
  rows:
    U-Net: {config: a/plain_1xb4-600i_cells-64x64}
    Tuned: {config: a/plain_1xb4-600i_cells-64x64, own_protocol: true, tta: true}
validation:
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
    monkeypatch.setattr(reproduce, 'plot', lambda *_: Figure())
    monkeypatch.setattr(queue, '_POLL', 0.01)
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
    """The first table of a page, by its first column."""
    return {next(iter(row.values())): row for row in md_tables(file.read_text())[0]}


def records(project: Path) -> list[Record]:
    return sorted(read_records(project / 'out/runs').values(), key=lambda r: (r.fold, r.name))


PLAIN = 'a/plain_1xb4-600i_cells-64x64'
ALL = [
    'train plain fold0 seed0',
    'test plain fold0 test best_mIoU_iter_400.pth',
    'train second fold0 seed0',
    'test second fold0 test best_mIoU_iter_400.pth',
    'train plain fold0 seed0',
    'test plain fold0 test best_mIoU_iter_400.pth',
]


def test_all_rows_are_run_and_written_beside_the_papers_figures(run, project, capsys):
    assert run('cells') == ALL
    rows = table(project / 'out/cells.md')
    assert list(rows) == ['U-Net', 'U-Net++', 'Wide U-Net']
    first = rows['U-Net']
    assert first['mean, reported by the paper'] == '61.5'
    assert first['mean, measured here'] == '70.0'
    assert first['synapse, reported by the paper'] == '0.425'
    assert first['synapse, measured here'] == '0.700'
    assert first['never, measured here'] == 'not defined'
    assert 'never, reported by the paper' not in first
    assert first['s per iteration'] == '0.25'
    assert rows['U-Net++']['mean, reported by the paper'] == ''
    page = (project / 'out/cells.md').read_text()
    assert '"Reported by the paper": Someone, 2020, table 1.' in page
    assert '`a/plain_1xb4-600i_cells-64x64`, `optim_wrapper.optimizer.lr=0.5`' in page
    assert '| fold 0, seed 0 | theirs is older |' in page
    assert 'python tools/reproduce.py cells --folds 3\n' in page
    assert '**Our figures are for fold 0, seed 0**, of 3 folds.' in page
    assert 'torch ' in page
    assert 'cores' in page
    assert '![Cells](cells.png)' in page
    assert (project / 'out/cells.png').read_bytes()[:4] == b'\x89PNG'
    assert '3 of 3 runs done' in capsys.readouterr().out

    with (project / 'out/cells.csv').open(newline='') as file:
        lines = {line['model']: line for line in csv.DictReader(file)}
    assert lines['Wide U-Net']['synapse, reported by the paper'] == '0.455'
    assert float(lines['Wide U-Net']['synapse, measured here']) == pytest.approx(0.7)
    assert lines['U-Net++']['mean, reported by the paper'] == ''
    assert lines['U-Net']['never, measured here'] == ''
    if digit_version(torch.__version__) >= digit_version('2.1'):  # which counts FLOPs
        assert int(lines['U-Net']['parameters']) < int(lines['U-Net++']['parameters'])
    assert {line['runs'] for line in lines.values()} == {'1'}


def test_all_tables_are_listed_with_what_has_been_run(run, project):
    run('cells', '--rows', 'u-net')
    page = project / 'out/index.md'
    rows = {name: [*row.values()][2:] for name, row in table(page).items()}
    assert rows == {
        '[cells](cells.md)': [
            '1 of 3',
            '1 of 9',
            '1',
            '`python tools/reproduce.py cells --folds 3`',
        ],
        'cells-small': [
            '0 of 1',
            '0 of 1',
            '0',
            '`python tools/reproduce.py cells --protocol small`',
        ],
        'recipe-small': [
            '0 of 2',
            '0 of 2',
            '0',
            '`python tools/reproduce.py recipe --protocol small`',
        ],
        'same-small': [  # its row is the same training
            '1 of 1',
            '1 of 3',
            '1',
            '`python tools/reproduce.py same --protocol small --folds 3`',
        ],
        'validation': ['0 of 2', '0 of 2', '0', '`python tools/reproduce.py validation`'],
    }
    (project / 'out/nnunet.md').write_text('# Versus nnU-Net\n\n75 and 74\n\n## Conditions\n\nA')
    run('cells', '--rows', 'u-net')
    text, _, other = page.read_text().partition('\n\n## Versus nnU-Net\n\n')
    assert other == '75 and 74\n\n[What the comparison can show](nnunet.md)\n'
    section = text.partition('## Cells')[2]
    assert '[All figures, comparisons and runs](cells.md)' in section
    assert '![Cells](cells.png)' in section
    assert section.count('\n| ') == 3  # header, line and the row that was run
    page.unlink()
    run('cells', '--rows', 'u-net', '--max-iters', '5')
    assert not page.exists()  # a trial fills no table


def test_every_figure_is_from_a_record_that_the_page_links(run, project):
    run('cells', '--rows', 'u-net')
    (record,) = records(project)
    assert record.config == 'a/plain_1xb4-600i_cells-64x64'
    assert record.scores['mIoU'] == pytest.approx(70)
    name = f'{record.name}'
    link = f'| U-Net | 0 | 0 | 70.0 | best_mIoU_iter_400.pth | 0.0 min | [{name}](runs/{name}) |'
    assert re.sub(r'\d+\.\d min', '0.0 min', link) in re.sub(
        r'\d+\.\d min', '0.0 min', (project / 'out/cells.md').read_text()
    )
    text = (project / 'out/runs' / name).read_text()
    for word in (str(project), os.environ.get('USER') or '/home'):
        assert word not in text


def test_the_command_of_a_record_repeats_this_run_alone(run, project):
    arguments = ['cells', '--rows', 'wide-u-net', '--fold', '2', '--seeds', '5']
    run(*arguments, '--max-iters', '7', '--cfg-options', 'train_dataloader.num_workers=0')
    (record,) = records(project)
    assert record.command == (
        'python tools/reproduce.py cells --protocol paper --rows wide-u-net --fold 2 --seeds 5 '
        '--max-iters 7'
    )
    assert (record.fold, record.seed) == (2, 5)
    (project / 'out/runs' / record.name).unlink()
    run(*record.command.split()[2:])
    assert [again.key for again in records(project)] == [record.key]


def test_options_of_a_row_are_in_its_config_alone(run, project):
    run('cells')
    texts = {file.parent.name: file.read_text() for file in project.glob('work/*/config.py')}
    assert len(texts) == 3
    assert ['lr=0.5' in text for text in texts.values()].count(True) == 1


def test_options_of_a_table_are_in_the_configs_of_all_rows(run, project):
    run('cells', '--protocol', 'small')
    (config,) = project.glob('work/*/config.py')
    assert 'max_iters=50' in config.read_text()
    page = (project / 'out/cells-small.md').read_text()
    assert '- changes to the configs of all rows: `train_cfg.max_iters=50`' in page
    assert '| `a/plain_1xb4-600i_cells-64x64` |' in page
    assert 'reported by the paper' not in page
    assert 'All figures were measured here.' in page
    assert 'cut' not in page
    assert not (project / 'out/cells.md').exists()


def test_a_row_can_have_its_own_protocol_and_test_time_augmentation(run, project):
    tested = [call for call in run('recipe') if call.startswith('test')]
    assert tested == [ALL[1], f'{ALL[1]} --tta']
    assert [(r.config, r.tta) for r in records(project)].count((PLAIN, True)) == 1
    texts = [file.read_text() for file in project.glob('work/*/config.py')]
    assert sorted('max_iters=50' in text for text in texts) == [False, True]
    page = (project / 'out/recipe-small.md').read_text()
    assert '- changes to the configs of all rows except Tuned: `train_cfg.max_iters=50`' in page
    assert page.count('tested with test-time augmentation') == 1
    assert run('recipe') == []


def test_finished_runs_are_skipped_also_on_another_machine(run, project, capsys):
    run('cells')
    (project / 'work').rename(project / 'gone')
    assert run('cells') == []
    assert '== U-Net, fold 0, seed 0: already finished' in capsys.readouterr().out


def test_a_run_of_two_tables_is_trained_once(run, project):
    run('cells', '--rows', 'u-net')
    assert run('same') == []
    assert table(project / 'out/same-small.md')['none']['mean'] == '70.0'


def test_pages_that_share_a_run_are_written_with_it(run, project):
    run('same', '--hours', '0')
    run('validation', '--rows', 'u-net', '--hours', '0')
    pages = {name: project / f'out/{name}' for name in ('same-small.md', 'validation.md')}
    before = {name: page.read_text() for name, page in pages.items()}
    run('cells', '--rows', 'u-net', '--max-iters', '5')
    assert {name: page.read_text() for name, page in pages.items()} == before  # a trial
    run('cells', '--rows', 'u-net')
    written = pages['same-small.md'].read_text()
    assert table(pages['same-small.md'])['none']['mean'] == '70.0'
    assert pages['validation.md'].read_text() == before['validation.md']  # of another split
    assert not (project / 'out/recipe-small.md').exists()  # was never written
    run('same', '--hours', '0')
    assert pages['same-small.md'].read_text() == written


def test_a_run_whose_config_changed_is_repeated(run, project):
    run('cells', '--rows', 'u-net')
    (old,) = records(project)
    file = project / 'configs/a/plain_1xb4-600i_cells-64x64.py'
    file.write_text(file.read_text() + 'optim_wrapper = dict(optimizer=dict(lr=0.25))')
    assert run('cells', '--rows', 'u-net') == ALL[:2]
    assert len(records(project)) == 2
    page = (project / 'out/cells.md').read_text()
    assert old.name not in page


def change_code(project: Path) -> None:
    """Make the record of the U-Net one of other code."""
    (record,) = [r for r in records(project) if r.config.startswith('a/plain') and not r.options]
    file = project / 'out/runs' / record.name
    content = json.loads(file.read_text())
    content['code']['models/layers/conv_block.py'] = 'another'
    file.write_text(json.dumps(content))


def test_a_run_whose_code_changed_is_marked(run, project):
    run('cells')
    assert '*' not in table(project / 'out/cells.md')['U-Net']
    change_code(project)
    assert run('cells') == []
    rows = table(project / 'out/cells.md')
    assert list(rows) == ['U-Net \\*', 'U-Net++', 'Wide U-Net']
    page = (project / 'out/cells.md').read_text()
    assert '\n\\* Code that a run of this row used was changed since' in page
    assert 'changed since: models/layers/conv_block.py |' in page


def test_a_run_whose_code_changed_is_repeated_if_asked(run, project):
    run('cells')
    change_code(project)
    for file in project.glob('work/plain*/state.json'):
        state = json.loads(file.read_text())
        state['code']['models/layers/conv_block.py'] = 'another'
        file.write_text(json.dumps(state))
    assert run('cells', '--rerun-changed-code') == ALL[:2]
    assert list(table(project / 'out/cells.md')) == ['U-Net', 'U-Net++', 'Wide U-Net']
    assert run('cells', '--rerun-changed-code') == []


def test_rows_that_are_not_run_are_empty(run, project):
    assert run('cells', '--rows', 'u-net-plus-plus') == ALL[2:4]
    rows = table(project / 'out/cells.md')
    assert rows['U-Net++']['mean, measured here'] == '70.0'
    assert rows['U-Net']['mean, reported by the paper'] == '61.5'
    for name in ('U-Net', 'Wide U-Net'):
        assert rows[name]['mean, measured here'] == rows[name]['s per iteration'] == ''
    assert 'Empty cells have not been run yet.' in (project / 'out/cells.md').read_text()
    assert run('cells', '--rows', 'U-Net', 'Wide U-Net') == [*ALL[:2], *ALL[4:]]
    assert 'Empty cells' not in (project / 'out/cells.md').read_text()


def test_a_row_that_fails_does_not_lose_the_others(run, project, capsys):
    with pytest.raises(
        RunError, match=r'(?s)some runs failed.*U-Net\+\+, fold 0.*: train.py failed'
    ):
        run('cells', stop='train second')
    assert calls_of(project) == [*ALL[:3], *ALL[4:]]
    rows = table(project / 'out/cells.md')
    assert rows['U-Net++']['mean, measured here'] == ''
    assert rows['Wide U-Net']['mean, measured here'] == '70.0'
    (log,) = project.glob('work/second*/log.txt')
    assert 'Traceback' in log.read_text()
    out = capsys.readouterr().out
    assert 'failed: U-Net++, fold 0, seed 0: train.py failed with exit code 1: RuntimeError' in out

    # the next time it is resumed, and the page says so
    resumed = 'train second fold0 seed0 --resume --cfg-options load_from=None'
    assert run('cells') == [resumed, ALL[3]]
    assert (project / 'out/cells.md').read_text().count('interruptions: 1') == 1


def test_a_record_that_is_being_copied_does_not_stop_the_others(run, project, monkeypatch):
    write = Record.write

    def write_beside_another(record: Record, file: Path) -> None:
        write(record, file)
        (file.parent / 'copied.json').write_text('{"config": "unet/')

    with monkeypatch.context() as context:
        context.setattr(Record, 'write', write_beside_another)
        with pytest.raises(RunError, match=r'(?s)U-Net, fold 0, .*copied\.json is not the record'):
            run('cells')
    assert calls_of(project) == ALL
    (project / 'out/runs/copied.json').unlink()
    assert run('cells') == []
    assert 'Empty cells' not in (project / 'out/cells.md').read_text()


def test_a_fold_or_a_seed_that_is_named_twice_is_run_once(run):
    assert run('cells', '--rows', 'U-Net', '--fold', '0', '0', '--seeds', '0', '0') == ALL[:2]


def test_a_test_that_fails_is_repeated_without_the_training(run, project):
    with pytest.raises(RunError, match=r'(?s)U-Net\+\+.*: test.py failed .* no space left'):
        run('cells', stop='test second')
    assert run('cells') == [ALL[3]]


def test_a_config_that_is_missing_is_a_failed_row(run, project):
    with pytest.raises(RunError, match=r'Lost: .*lost_1xb4-600i_cells-64x64.py is missing'):
        run('validation')
    assert calls_of(project) == ['train plain fold0 seed0', 'test plain fold0 val iter_600.pth']
    assert table(project / 'out/validation.md')['Lost']['mean'] == ''


def test_progress_and_time_left_are_shown(run, capsys, monkeypatch):
    monkeypatch.setattr(queue, '_QUIET', 0)
    run('cells')
    out = capsys.readouterr().out
    assert re.search(r'== U-Net, fold 0, seed 0: started\. 0 of 3 runs done, \d+:\d\d:\d\d el', out)
    assert '== U-Net, fold 0, seed 0: Iter(train) [  50/600]. 0 of 3 runs done, ' in out
    assert 'elapsed, about ' in out
    assert '== U-Net++, fold 0, seed 0: started. 1 of 3 runs done, ' in out


def test_folds_and_seeds_give_mean_and_deviation(run, project):
    run('cells', '--rows', 'U-Net')
    trained = [call for call in run('cells', '--rows', 'U-Net', '--folds', '3') if 'train' in call]
    assert trained == [f'train plain fold{fold} seed0' for fold in (1, 2)]
    assert table(project / 'out/cells.md')['U-Net']['mean, measured here'] == '72.0 ± 2.0'
    page = (project / 'out/cells.md').read_text()
    assert '| folds 0 to 2, seed 0 | theirs is older |' in page
    assert 'Our figures are for' not in page
    run('cells', '--rows', 'U-Net', '--fold', '2', '--seeds', '0', '4')
    # 70, 72, and the mean of 74 and 78
    assert table(project / 'out/cells.md')['U-Net']['mean, measured here'] == '72.7 ± 3.1'
    page = (project / 'out/cells.md').read_text()
    assert '| folds 0 to 1, seed 0; fold 2, seeds 0, 4 | theirs is older |' in page
    assert 'cannot be compared' not in page
    run('cells', '--rows', 'U-Net++')
    assert 'their means cannot be compared.**' in (project / 'out/cells.md').read_text()


def test_seeds_of_one_fold_give_a_deviation(run, project):
    calls = run('cells', '--rows', 'U-Net', 'U-Net++', '--seeds', '0', '1', '2')
    trained = [call.removeprefix('train ') for call in calls if 'train' in call]
    assert trained == [f'{n} fold0 seed{s}' for s in range(3) for n in ('plain', 'second')]
    assert table(project / 'out/cells.md')['U-Net']['mean, measured here'] == '71.0 ± 1.0'


def test_all_rows_of_a_fold_come_before_the_next_fold(run):
    calls = run('cells', '--rows', 'U-Net', 'U-Net++', '--folds', '2')
    trained = [call.removeprefix('train ') for call in calls if 'train' in call]
    assert trained == [f'{n} fold{k} seed0' for k in range(2) for n in ('plain', 'second')]


def test_without_time_only_the_table_is_written(run, project, capsys, monkeypatch):
    run('cells', '--rows', 'U-Net')
    (project / 'out/cells.md').unlink()
    monkeypatch.setenv('DROSOPHILA_ROOT', str(project / 'nowhere'))
    assert run('cells', '--folds', '3', '--hours', '0') == []
    assert table(project / 'out/cells.md')['U-Net']['mean, measured here'] == '70.0'
    assert '== 8 runs are left: run the same command again' in capsys.readouterr().out


def test_two_runs_side_by_side(run, project):
    assert sorted(run('cells', '--parallel', '2')) == sorted(ALL)
    assert {record.machine['threads'] for record in records(project)} == {1}


def test_another_split_of_the_same_training_is_only_tested(run, project):
    run('cells', '--rows', 'U-Net')
    with pytest.raises(RunError):
        run('validation')
    assert calls_of(project) == ['test plain fold0 val iter_600.pth']
    assert [(r.split, r.measured) for r in records(project)] == [('test', 'best'), ('val', 'last')]


def test_a_shortened_training_is_labeled_and_kept_apart(run, project):
    run('cells')
    before = (project / 'out/cells.md').read_text()
    run('cells', '--max-iters', '20', '--rows', 'U-Net')
    assert (project / 'out/cells.md').read_text() == before
    assert 'cut' not in before
    page = (project / 'out/cells-20i.md').read_text()
    assert '**Our trainings are cut to 20 of 600 iterations**' in page
    assert '--max-iters 20\n' in page
    assert '`train_cfg.max_iters=20`' in page
    short = [file.read_text() for file in project.glob('work/plain*/config.py')]
    assert sum('max_iters=20' in text for text in short) == 1
    with (project / 'out/cells-20i.csv').open(newline='') as file:
        assert next(csv.DictReader(file))['training'] == 'cut to 20 of 600 iterations'


def test_a_table_with_other_options_is_kept_apart(run, project):
    run('cells', '--rows', 'U-Net')
    before = (project / 'out/cells.md').read_text()
    run('cells', '--rows', 'U-Net', '--cfg-options', 'train_cfg.max_iters=30')
    assert (project / 'out/cells.md').read_text() == before
    page = (project / 'out/cells-train_cfg.max_iters=30.md').read_text()
    assert 'cut to 30 of 600 iterations' in page
    assert '--cfg-options train_cfg.max_iters=30' in page
    long = [f'optim_wrapper.optimizer.betas=[0.{9 * "1"},0.9]', 'model.train_cfg.something_else=1']
    run('cells', '--rows', 'u-net-plus-plus', '--cfg-options', *long)
    assert len(list(project.glob('out/cells-options-*.md'))) == 1


def test_settings_of_the_machine_do_not_make_another_table(run, project):
    run('cells', '--rows', 'U-Net')
    workers = 'train_dataloader.num_workers=0'
    assert run('cells', '--rows', 'U-Net', '--cfg-options', workers) == []
    assert [file.name for file in project.glob('out/cells*.md')] == ['cells.md']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['cells', '--rows', 'v-net'],
            'v-net is not a row of cells: choose from u-net, u-net-plus',
        ),
        (['cells', '--folds', '4'], 'cells has the folds 0 to 2, but no 3'),
        (['cells', '--fold', '1', '7'], 'cells has the folds 0 to 2, but no 7'),
        (['cells', '--max-epochs', '3'], 'not trained by epochs: use --max-iters'),
        (['cells', '--cfg-options', 'seed'], 'seed has no value: write KEY=VALUE'),
        (['cells', '--cfg-options', 'lr=1'], 'lr does not fit a/plain.*, which has no lr'),
        (
            ['cells', '--cfg-options', 'model.neck.level=1'],
            'which has no model.neck: correct the key, or choose the rows',
        ),
        (
            ['cells', '--cfg-options', 'optim_wrapper.optimizer.lr=0.1'],
            'optim_wrapper.optimizer.lr is set by the row Wide U-Net of this table',
        ),
        (
            ['cells', '--cfg-options', 'train_dataloader.batch_sze=3'],
            r'did you mean train_dataloader\.batch_size\?',
        ),
        (
            ['cells', '--cfg-options', 'param_scheduler={0:(1,2)}'],
            'is a dict, which is not possible on the command line',
        ),
    ],
)
def test_requests_that_cannot_work_are_refused_at_once(run, project, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(*arguments)
    assert not (project / 'work').exists()
    assert not (project / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['validation', '--protocol', 'small'], 'has no protocol small: choose paper'),
        (['same', '--protocol', 'paper'], 'has no protocol paper: choose small'),
        (['cells', '--parallel', '0'], '--parallel: 0 is below 1'),
        (['cells', '--hours', '-1'], '--hours: -1.0 is below 0'),
        (['cells', '--seeds', '0', '-1'], '--seeds: -1 is below 0'),
        (['cells', '--fold', '1', '--folds', '2'], 'not allowed with argument'),
        (['cells', '--max-iters', '1', '--max-epochs', '1'], 'not allowed with argument'),
    ],
)
def test_wrong_arguments(project, capsys, arguments, message):
    with pytest.raises(SystemExit):
        reproduce.parse_args(arguments)
    assert message in capsys.readouterr().err


def test_the_protocol_is_the_first_one_that_the_table_has(project):
    assert reproduce.parse_args(['cells']).protocol == 'paper'
    assert reproduce.parse_args(['same']).protocol == 'small'


def test_a_runner_can_be_chosen(run, project):
    run('cells', '--rows', 'U-Net', '--cfg-options', 'runner_type=FastRunner')
    (config,) = project.glob('work/*/config.py')
    assert Config.fromfile(config).runner_type == 'FastRunner'
    assert (project / 'out/cells-runner_type=FastRunner.md').is_file()


def test_rows_that_are_not_chosen_need_not_take_the_options(run, project, root):
    text = CONFIG.format(root=root, wide=16)
    neck = "neck=dict(type='DABottleneck', channels=16, level=1), "
    file = project / 'configs/a/second_1xb4-600i_cells-64x64.py'
    file.write_text(text.replace('model = dict(', f'model = dict({neck}'))
    options = ['model.neck.residual=False', 'optim_wrapper.optimizer.lr=0.25']
    assert run('cells', '--rows', 'U-Net++', '--cfg-options', *options)
    (page,) = project.glob('out/cells*.md')
    rows = table(page)
    assert list(rows) == ['U-Net++']  # the other rows do not fit the options
    assert rows['U-Net++']['mean, measured here'] == '70.0'
    with pytest.raises(UsageError, match=r'which has no model\.neck'):
        run('cells', '--rows', 'U-Net', '--cfg-options', options[0])


def test_missing_data_is_one_sentence(run, project, monkeypatch):
    monkeypatch.setenv('DROSOPHILA_ROOT', str(project / 'nowhere'))
    with pytest.raises(UsageError, match=r'^The split file \S+nowhere\S+ is missing: [^\n]+$'):
        run('cells')
    assert not (project / 'work').exists()


def test_a_row_with_the_real_tools(root, pseudo_data, tmp_path):
    options = [
        f'{split}_dataloader.{option}'
        for split in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ]
    options += ['default_hooks.logger.interval=1']
    command = [sys.executable, '-W', 'ignore', 'tools/reproduce.py', 'drosophila']
    done = subprocess.run(
        [
            *[*command, '--protocol', 'small', '--rows', 'lfa-unet-m-3', '--fold', '1'],
            *['--max-iters', '2', '--work-dir', str(tmp_path / 'work')],
            *['--out', str(tmp_path), '--cfg-options', *options],
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
    assert '1 of 1 runs done' in done.stdout
    (page,) = tmp_path.glob('drosophila-small-2i-*.md')
    row = table(page)['LFA-UNet, m = 3']
    assert float(row['s per iteration']) > 0
    (record,) = read_records(tmp_path / 'runs').values()
    assert (record.fold, record.seed) == (1, 0)
    assert len(record.images) == 2
    # the areas give what the test itself has logged
    for name, value in record.metrics.items():
        assert record.scores[name] == pytest.approx(value, abs=0.0051)
    assert float(row['mean, measured here']) == pytest.approx(record.metrics['mIoU'], abs=0.0101)
