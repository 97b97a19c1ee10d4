import json
import os
import shutil

import pytest

from mmseg_attn.apps.runs.work_dir import find_checkpoint, find_metrics, find_runs
from mmseg_attn.errors import RunError
from tests.data.work_dirs import write_start


def test_checkpoints(tmp_path):
    with pytest.raises(RunError, match='contains no checkpoint to test'):
        find_checkpoint(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('elsewhere/epoch_20.pth')
    assert find_checkpoint(tmp_path) == 'epoch_20.pth'
    for name in ('best_mIoU_epoch_9.pth', 'best_mIoU_epoch_10.pth'):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (5, 5))
    assert find_checkpoint(tmp_path) == 'best_mIoU_epoch_10.pth'
    os.utime(tmp_path / 'best_mIoU_epoch_9.pth', (6, 6))  # of another training in the same folder
    (tmp_path / 'best_mDice_epoch_3.pth').touch()
    (tmp_path / 'best_model.pth').touch()
    assert find_checkpoint(tmp_path) == 'best_mIoU_epoch_9.pth'
    assert find_checkpoint(tmp_path, best=False) == 'epoch_20.pth'


def test_a_test_without_metrics_is_a_failure(tmp_path):
    with pytest.raises(RunError, match='contains no metrics'):
        find_metrics(tmp_path)


@pytest.fixture
def run(tmp_path):
    """A run of two launches, the second of which begins anew, and whose last checkpoint is used."""
    scores = {50: {'mIoU': 90.0}, 100: {'mIoU': 80.0}}
    write_start(tmp_path / '20240101_000000', losses={100: 1.0}, scores=scores)
    scores = {50: {'mIoU': 71.0, 'step': 50}, 100: {'mIoU': 60.0, 'data_time': 0.1}}
    write_start(tmp_path / '20240102_000000', losses={100: 1.0}, scores=scores)
    (tmp_path / 'config.py').write_text("model = dict(type='EncoderDecoder')")
    (tmp_path / 'iter_100.pth').touch()
    (tmp_path / 'last_checkpoint').write_text('iter_100.pth')
    (found,) = find_runs(tmp_path, 'run')
    return found


def write_test(folder, name, checkpoint, miou):
    (folder / name).mkdir(parents=True)
    (folder / name / f'{name}.log').write_text(f'Load checkpoint from work/{checkpoint}\n')
    (folder / name / f'{name}.json').write_text(json.dumps({'mIoU': miou, 'time': 1.0}))


def test_an_earlier_training_in_the_folder_does_not_count(run):
    assert [launch.folder.name for launch in run.launches] == ['20240102_000000']
    assert run.log.best() == (50, 71.0)


def test_the_validation_is_that_of_the_checkpoint(run):
    expected = {'mIoU': 60.0}, 'validation at iteration 100, from the log'
    assert run.recorded_metrics('test') == expected
    run.checkpoint = run.folder / 'best_mIoU_iter_50.pth'
    assert run.recorded_metrics('val')[0] == {'mIoU': 71.0}
    run.checkpoint = run.folder / 'iter_70.pth'  # not validated
    assert run.recorded_metrics('val')[0] == {'mIoU': 71.0}


def test_a_test_of_other_weights_does_not_count(run):
    write_test(run.folder, '20240103_000000', 'iter_100.pth', 55.0)
    write_test(run.folder, '20240104_000000', 'iter_50.pth', 99.0)
    assert run.recorded_metrics('test')[0] == {'mIoU': 55.0}


def test_a_test_of_another_network_in_the_folder_does_not_count(run, tmp_path):
    for folder in (tmp_path / 'other', tmp_path / 'renamed'):
        folder.mkdir()
        (folder / 'iter_100.pth').touch()
    (tmp_path / 'renamed/iter_100.pth').unlink()
    for day, folder in enumerate((run.folder, tmp_path / 'renamed', tmp_path / 'other'), start=3):
        write_test(run.folder, f'2024010{day}_000000', 'iter_100.pth', 50.0 + day)
        log = run.folder / f'2024010{day}_000000/2024010{day}_000000.log'
        log.write_text(f'Load checkpoint from {folder}/iter_100.pth\n')
    assert run.recorded_metrics('test')[0] == {'mIoU': 54.0}


def test_a_best_checkpoint_of_an_earlier_training_does_not_count(run):
    best, log = run.folder / 'best_mIoU_iter_50.pth', run.launches[0].folder
    shutil.rmtree(run.folder / '20240101_000000')
    (log / 'vis_data').mkdir(exist_ok=True)
    (log / 'vis_data/config.py').touch()
    best.touch()
    resumed = 'resumed epoch: 0, iter: 50'  # whose first logs are missing
    for age, text, name in (
        (5, '', best.name),
        (-5, resumed, best.name),
        (-5, '', 'iter_100.pth'),
        (
            -5,
            f'The best checkpoint with 71.0000 mIoU at 50 iter is saved to {best.name}.',
            best.name,
        ),
    ):
        started = (log / 'vis_data/config.py').stat().st_mtime
        os.utime(best, (started + age, started + age))
        (log / 'a.log').write_text(text)
        (found,) = find_runs(run.folder, 'run')
        assert found.checkpoint.name == name


def test_a_test_with_augmentation_is_named_so(run):
    write_test(run.folder, '20240103_000000', 'iter_100.pth', 55.0)
    assert run.recorded_metrics('test')[1] == 'test set, from the log of the test'
    config = run.folder / '20240103_000000/vis_data/config.py'
    config.parent.mkdir()
    config.write_text("model = dict(type='SegTTAModel', module=dict(type='EncoderDecoder'))")
    assert run.recorded_metrics('test')[1] == (
        'test set with test-time augmentation, from the log of the test'
    )


def test_a_test_before_the_training_does_not_count(run):
    write_test(run.folder, '20240101_120000', 'iter_100.pth', 99.0)
    assert run.recorded_metrics('test')[1].startswith('validation')


def test_a_published_model_in_the_folder_is_no_test(run):
    write_test(run.folder, '20240103_000000', 'iter_100.pth', 55.0)
    (run.folder / 'published').mkdir()
    (run.folder / 'published/model.json').write_text('{"name": "x"}')
    assert run.recorded_metrics('test')[0] == {'mIoU': 55.0}
