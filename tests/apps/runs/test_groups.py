import os

import pytest

from mmseg_attn.apps.report.overview import commands
from mmseg_attn.apps.runs import find_groups, merge
from mmseg_attn.apps.runs.groups import short_names
from mmseg_attn.errors import DataError
from tests.data.work_dirs import write_start

CONFIG = (
    "work_dir = '{work_dir}'\nrandomness = dict(seed={seed})\nlr = {lr}\nsplit = 'fold{fold}'\n"
)


@pytest.fixture
def run(tmp_path):
    """Write a work directory with a log and a config."""

    def run(name: str, *, lr: float = 0.1, seed: int = 0, fold: int = 0, config: str = 'config'):
        folder = tmp_path / name
        write_start(folder / '20240102_030405', losses={1: 1.0})
        text = CONFIG.format(work_dir=folder, lr=lr, seed=seed, fold=fold)
        (folder / f'{config}.py').write_text(text)
        return folder

    return run


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['a/unet_1xb4_drosophila'], ['unet_1xb4_drosophila']),
        (['a/unet-b16_x_y', 'a/lfa-unet_x_y'], ['unet-b16', 'lfa-unet']),
        (['a/run', 'b/run'], ['a', 'b']),
        (['a/t_one', 'a/t_two'], ['one', 'two']),
        (['a/x', 'a/x_y'], ['x', 'x_y']),
        (['a/x_y_y', 'a/x_y'], ['x_y', 'x']),
    ],
)
def test_short_names(tmp_path, paths, names):
    assert short_names([tmp_path / path for path in paths]) == names


def test_folds_are_one_group_in_their_order(run, tmp_path):
    for fold in (10, 9, 0):
        run(f'cv/fold{fold}', fold=fold)
    (group,) = find_groups([tmp_path / 'cv'])
    assert [run.name for run in group.runs] == ['fold0', 'fold9', 'fold10']
    assert group.title == 'cv (3 runs)'
    assert merge([group]) == [group]


def test_what_reproduce_wrote(run, tmp_path):
    run('unet/fold0/train')
    (group,) = find_groups([tmp_path / 'unet'])
    assert group.runs[0].folder == tmp_path / 'unet/fold0/train'
    assert group.runs[0].name == 'fold0'
    (group,) = find_groups([tmp_path / 'unet/fold0'])
    assert group.runs[0].folder == tmp_path / 'unet/fold0/train'


def test_a_folder_that_is_named_twice_counts_once(run, tmp_path):
    folder = run('a')
    assert len(find_groups([folder, tmp_path / 'a/../a'])) == 1


def test_a_folder_in_another_one_counts_once(run, tmp_path):
    for fold in (0, 1):
        run(f'unet/fold{fold}/train')
    for folders in (['unet', 'unet/fold0'], ['unet/fold1/train', 'unet', 'unet/fold1']):
        (group,) = find_groups([tmp_path / folder for folder in folders])
        assert [one.name for one in group.runs] == ['fold0', 'fold1']
    (group,) = find_groups([tmp_path / 'unet/fold0', tmp_path / 'unet/fold0/train'])
    assert len(group.runs) == 1


def test_seeds_and_folds_of_one_config_come_together(run):
    folders = [
        run('unet_s0'),
        run('lfa_s0', lr=0.2),
        run('unet_s1', seed=1),
        run('unet_s2', fold=3),
    ]
    unet, lfa = merge(find_groups(folders))
    assert unet.title == 'unet (3 runs)'
    assert [run.name for run in unet.runs] == ['unet_s0', 'unet_s1', 'unet_s2']
    assert lfa.title == 'lfa_s0'


def test_names_of_groups_stay_different(run):
    folders = [run(f'unet_{i}', lr=i // 2) for i in range(4)]
    assert [group.name for group in merge(find_groups(folders))] == ['0', '2']


def test_names_without_a_common_beginning_give_way_to_the_config(run):
    (group,) = merge(find_groups([run('x'), run('y', seed=1)]))
    assert group.name == 'config'


@pytest.mark.parametrize('name', ['20240102_030405', '2024-01-02', 'fold0', 'train', 'work_dir1'])
def test_where_the_folder_says_nothing_the_config_gives_the_name(run, name):
    (group,) = find_groups([run(name, config='lfa-unet_x')])
    assert (group.name, group.folder) == ('lfa-unet_x', name)
    assert merge([group]) == [group]


@pytest.mark.parametrize(('name', 'config'), [('a1', 'unet'), ('trained', 'unet')])
def test_else_the_folder_does(run, name, config):
    (group,) = find_groups([run(name, config=config)])
    assert (group.name, group.folder) == (name, '')


def test_without_a_config_that_says_something_the_parents_do(run):
    (group,) = find_groups([run('blobs/fold0/train', config='config')])
    assert group.name == 'blobs'


def test_names_of_configs_stay_different(run):
    names = '20240102_030405', '20240102_040506', '20240103_000000'
    runs = zip(names, ('unet', 'unet', 'lfa'), (0.1, 0.2, 0.3), strict=True)
    groups = find_groups([run(name, config=config, lr=lr) for name, config, lr in runs])
    assert [group.name for group in groups] == [
        'unet 20240102_030405',
        'unet 20240102_040506',
        'lfa',
    ]
    assert [group.folder for group in groups] == list(names)


def test_names_of_configs_are_short_beside_each_other(run):
    names = [(f'2024010{i}_000000', config, i) for i, config in enumerate(('unet_x_y', 'lfa_x_y'))]
    groups = find_groups([run(name, config=config, lr=lr) for name, config, lr in names])
    assert [group.name for group in groups] == ['unet', 'lfa']


def test_seeds_in_folders_that_say_nothing_are_called_by_their_config(run):
    folders = [run(f'2024010{i}_000000', config='unet', seed=i) for i in range(3)]
    (group,) = merge(find_groups(folders))
    assert group.title == 'unet (3 runs)'
    assert [run.name for run in group.runs] == ['20240100', '20240101', '20240102']


def test_the_newest_config_and_the_best_checkpoint(run, tmp_path):
    folder = run('a')
    old = folder / 'old.py'
    old.touch()
    os.utime(old, (0, 0))
    for name in ('best_mIoU_iter_90.pth', 'best_mIoU_iter_100.pth', 'iter_200.pth'):
        (folder / name).touch()
    (trained,) = find_groups([folder])[0].runs
    assert trained.config == folder / 'config.py'
    assert trained.checkpoint == folder / 'best_mIoU_iter_100.pth'


def test_a_last_checkpoint_that_is_gone_is_none(run):
    folder = run('a')
    (folder / 'last_checkpoint').write_text('/elsewhere/iter_200.pth')
    assert find_groups([folder])[0].runs[0].checkpoint is None
    (folder / 'iter_200.pth').touch()
    assert find_groups([folder])[0].runs[0].checkpoint == folder / 'iter_200.pth'


def test_folders_without_a_run_are_refused(tmp_path):
    with pytest.raises(DataError, match=r'nothing is not a folder: name the work directory'):
        find_groups([tmp_path / 'nothing'])
    with pytest.raises(DataError, match=r'contains no log of a training \(\*/vis_data/scalars'):
        find_groups([tmp_path])


def test_a_config_that_is_broken_is_named(run):
    folder = run('a')
    (folder / 'config.py').write_text('x = 1 +')
    with pytest.raises(DataError, match=r'a/config.py cannot be read as a config \(.*Error'):
        merge(find_groups([folder]))


@pytest.fixture
def started(run):
    """A training as MMEngine writes it down: in its folder, and in that of its start."""
    folder = run('a', lr=0.1, config='unet-64x96')
    (folder / '20240102_030405/vis_data/config.py').write_bytes(
        (folder / 'unet-64x96.py').read_bytes()
    )
    return folder


def test_the_config_of_a_training_is_the_one_that_it_was_started_with(started):
    ((only,),) = [group.runs for group in find_groups([started])]
    assert (only.config, only.config_name) == (started / 'unet-64x96.py',) * 2


@pytest.mark.parametrize('also', ['', 'other'])
def test_a_test_in_the_folder_of_a_training_changes_nothing(started, also):
    """MMEngine writes the config of a test to the same file, and another one beside it."""
    for number, name in enumerate(filter(None, ['unet-64x96', also])):
        (started / f'{name}.py').write_text("lr = 7\nload_from = 'best.pth'\n")
        os.utime(started / f'{name}.py', (2e9 + number, 2e9 + number))
    test = started / '20240102_050505'
    (test / 'vis_data').mkdir(parents=True)
    (test / 'vis_data/config.py').write_text('lr = 7\n')
    (test / '20240102_050505.json').write_text('{"mIoU": 50.0}')
    ((only,),) = [group.runs for group in find_groups([started])]
    assert only.cfg.lr == 0.1
    assert only.cfg.get('load_from') is None
    assert only.cfg.filename == str(started / 'unet-64x96.py')  # whose end is the size
    assert only.config_name.name == 'unet-64x96.py'
    assert only.config == started / '20240102_030405/vis_data/config.py'
    assert str(only.config) in commands(only)[0]


def test_the_last_start_of_a_training_counts(started):
    write_start(started / '20240103_030405', losses={2: 1.0}, resumed=1)
    for file in ('unet-64x96.py', '20240103_030405/vis_data/config.py'):
        (started / file).write_text('lr = 0.3\n')
    ((only,),) = [group.runs for group in find_groups([started])]
    assert only.cfg.lr == 0.3
    (started / 'unet-64x96.py').write_text('lr = 7\n')
    ((only,),) = [group.runs for group in find_groups([started])]
    assert only.cfg.lr == 0.3


def test_a_pretrained_model_is_not_the_one_from_scratch(run):
    folders = [run('unet_scratch'), run('unet_pretrained')]
    with (folders[1] / 'config.py').open('a') as file:
        file.write("load_from = 'weights.pth'\n")
    assert [group.title for group in merge(find_groups(folders))] == ['scratch', 'pretrained']
