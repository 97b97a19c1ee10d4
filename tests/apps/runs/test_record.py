"""What a record holds, and which changes of a config make another run."""

import hashlib
import json
import os
from dataclasses import replace

import pytest
from mmengine.config import Config

from mmseg_attn.apps.runs import config_hash, portable_options, read_record, read_records
from mmseg_attn.errors import DataError
from tests.apps.runs.records import make_record

CONFIG = dict(
    data_root='/home/someone/data',
    image_loader=dict(type='LoadImageFromFile'),
    model=dict(backbone=dict(type='UNetEncoder', init_cfg=None), test_cfg=dict(mode='whole')),
    train_dataloader=dict(
        batch_size=4,
        num_workers=2,
        dataset=dict(type='D', data_root='/home/someone/data', ann_file='fold0/train.txt'),
    ),
    param_scheduler=[dict(type='LinearLR', begin=0, end=300)],
    randomness=dict(seed=0),
    default_hooks=dict(logger=dict(interval=10), checkpoint=dict(interval=200)),
    load_from='/home/someone/weights.pth',
)


def hash_of(**changes) -> str:
    config = Config(CONFIG)
    config.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
    return config_hash(config)


@pytest.mark.parametrize(
    'changes',
    [
        dict(data_root='elsewhere'),
        dict(train_dataloader__dataset__data_root='elsewhere'),
        dict(train_dataloader__num_workers=0),
        dict(train_dataloader__persistent_workers=False),
        dict(randomness__seed=3),
        dict(image_loader__type='LoadAnything'),
        dict(default_hooks__logger__interval=1),
        dict(default_hooks__per_image=dict(type='PerImageCSVHook')),
        dict(load_from='/data/weights.pth'),
        dict(load_from='C:\\weights.pth'),
        dict(work_dir='x', resume=True),
        dict(test_evaluator=dict(type='MAEMetric')),
        dict(runner_type=None),
    ],
)
def test_machine_seed_and_helpers_do_not_change_the_hash(changes):
    assert hash_of(**changes) == hash_of()


@pytest.mark.parametrize(
    'changes',
    [
        dict(train_dataloader__batch_size=8),
        dict(train_dataloader__dataset__ann_file='fold1/train.txt'),
        dict(model__test_cfg__mode='slide'),
        dict(param_scheduler__0__end=600),
        dict(default_hooks__checkpoint__interval=100),
        dict(load_from='/home/someone/other.pth'),
        dict(randomness__deterministic=True),
        dict(runner_type='FastRunner'),
        dict(val_evaluator=dict(type='MAEMetric')),
        dict(conversion=dict(split_unit='slice')),
        dict(test_evaluator=dict(type='MAEMetric', ignore_index=0)),
    ],
)
def test_all_else_changes_it(changes):
    assert hash_of(**changes) != hash_of()


def test_a_file_counts_by_its_name_and_content(tmp_path):
    files = [tmp_path / folder / 'last.pth' for folder in ('one', 'copy', 'other')]
    for file, content in zip(files, (b'a', b'a', b'b'), strict=True):
        file.parent.mkdir()
        file.write_bytes(content)
    one, copy, other = (hash_of(load_from=str(file)) for file in files)
    assert one == copy
    assert len({one, other, hash_of(load_from='/nowhere/last.pth')}) == 3
    digest = hashlib.sha256(b'a').hexdigest()[:8]
    assert portable_options({'load_from': str(files[0])}) == {'load_from': f'last.pth@{digest}'}
    files[0].write_bytes(b'c')  # of the same size
    os.utime(files[0], ns=(0, 0))
    assert hash_of(load_from=str(files[0])) not in (one, other)


def test_the_hash_does_not_depend_on_the_order_or_on_tuples():
    one = Config(dict(model=dict(a=1, b=(2, 3), schedule={0: (4, 5)})))
    other = Config(dict(model=dict(schedule={0: [4, 5]}, b=[2, 3], a=1)))
    assert config_hash(one) == config_hash(other)


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = make_record()
    record.write(tmp_path / record.name)
    (file,) = tmp_path.glob('*')
    assert file.name == 'unet_1xb4-600i_cells-64x64-window_size-3_fold0_seed0_01234567_test.json'
    assert read_record(file) == replace(record, areas=list(record.areas))
    assert read_records(tmp_path) == {record.key: read_record(file)}
    lines = file.read_text().splitlines()
    assert '    "1.png": [[2, 4], [3, 5], [3, 5]],' in lines
    assert json.loads(file.read_text())['seed'] == 0


def test_scores_follow_from_the_areas():
    scores = make_record().scores
    # wall: 3 of 4 + 5 - 3, cell: 4 of 6 + 5 - 4
    assert scores['IoU.wall'] == pytest.approx(100 * 3 / 6)
    assert scores['IoU.cell'] == pytest.approx(100 * 4 / 7)
    assert scores['mIoU'] == pytest.approx((50 + 400 / 7) / 2)
    assert scores['Acc.cell'] == pytest.approx(100 * 4 / 5)
    assert scores['aAcc'] == pytest.approx(100 * 7 / 10)
    assert scores['mean_loss'] == 0.25  # what the areas do not give is from the log


def test_of_two_records_of_a_run_the_later_one_counts(tmp_path):
    for name, date in (('a', '2026-01-03'), ('b', '2026-01-02')):
        make_record(date=date).write(tmp_path / f'{name}.json')
    (record,) = read_records(tmp_path).values()
    assert record.date == '2026-01-03'


@pytest.mark.parametrize('text', ['{"config": 1}', '{', '[]'])
def test_what_is_no_record_is_named(tmp_path, text):
    (tmp_path / 'x.json').write_text(text)
    with pytest.raises(DataError, match=r'x\.json is not the record of a run'):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        (dict(seed='0'), 'seed has a wrong type'),
        (dict(fold=None), 'fold has a wrong type'),
        (dict(fold=True), 'fold has a wrong type'),
        (dict(config=None), 'config has a wrong type'),
        (dict(metrics=[]), 'metrics has a wrong type'),
        (dict(metrics=dict(mIoU='47')), 'metrics has a wrong type'),
        (dict(versions=[]), 'versions has a wrong type'),
        (dict(parameters='1'), 'parameters has a wrong type'),
        (dict(seconds=dict(test=1.0)), 'seconds has no training'),
        (dict(date='2 January 2026'), 'Invalid isoformat string'),
        (dict(validations={'end': 1.0}), 'validations has a step that is no number'),
        (dict(code={'../../x.py': '0'}), 'code names a file outside of this package'),
        (dict(code={'/etc/passwd': '0'}), 'code names a file outside of this package'),
        (dict(images={}), 'it has no images or no classes'),
        (dict(images={'a': [[1, 1], [1, 1]]}), 'the areas of a are not those of 2 classes'),
        (dict(images={'a': [[1], [1], [1]]}), 'the areas of a are not those of 2 classes'),
        (dict(images={'a': [[1, 0], [1, 0], [0, 1]]}), 'the areas of a are impossible'),
        (dict(images={'a': [[-1, 0], [1, 0], [0, 1]]}), 'the areas of a are impossible'),
        (dict(images={'a': [[1.5, 0], [2, 0], [2, 1]]}), 'images has a wrong type'),
    ],
)
def test_a_record_with_wrong_content_is_named(tmp_path, changes, reason):
    make_record(**changes).write(tmp_path / 'x.json')
    with pytest.raises(DataError) as error:
        read_records(tmp_path)
    assert str(error.value).startswith(f'{tmp_path}/x.json is not the record of a run ({reason}')
    assert str(error.value).endswith('or update this package if it is of a later version')


def test_the_files_that_a_file_system_adds_are_no_records(tmp_path):
    (tmp_path / '._x.json').write_bytes(b'\x00\x05\x16\x07')
    assert read_records(tmp_path) == {}


def test_options_lose_what_belongs_to_a_machine():
    options = {
        'train_dataloader.num_workers': 0,
        'test_dataloader.dataset.data_root': '/home/someone',
        'load_from': '/home/someone/x.pth',
        'model.neck': dict(type='CSAMSkip', in_channels=(1, 2)),
    }
    assert portable_options(options) == {
        'load_from': 'x.pth',
        'model.neck': dict(type='CSAMSkip', in_channels=[1, 2]),
    }


def test_the_test_time_augmentation_is_a_part_of_the_hash_if_it_is_used():
    config = Config(dict(model=dict(type='A'), tta_model=dict(type='B'), tta_pipeline=[]))
    other = Config(config.to_dict() | dict(tta_model=dict(type='C')))
    assert config_hash(config) == config_hash(other)
    assert len({config_hash(c, tta=t) for c in (config, other) for t in (False, True)}) == 3
