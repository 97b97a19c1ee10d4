"""The rows that validations leave."""

import csv
from types import SimpleNamespace

import pytest
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import HOOKS


@pytest.fixture
def hook():
    return HOOKS.build(dict(type='PerClassCSVHook'))


@pytest.fixture
def runner(tmp_path):
    loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    loop._epoch, loop._iter = 2, 10
    return SimpleNamespace(log_dir=str(tmp_path), _train_loop=loop)


def rows(runner) -> list[dict]:
    with open(f'{runner.log_dir}/per_class.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_a_row_per_class_and_validation(hook, runner):
    hook.after_val_epoch(runner, {'mIoU': 70.0, 'IoU.cell': 60.0, 'IoU.wall': 80.0, 'Acc.cell': 9})
    hook.after_val_epoch(runner, {'mIoU': 75.0, 'IoU.cell': 75.0, 'F.a.b, c': 1.5})
    common = {'split': 'val', 'epoch': '2', 'iter': '10'}
    assert rows(runner) == [
        common | {'class': 'cell', 'IoU': '60.0', 'Acc': '9', 'F': ''},
        common | {'class': 'wall', 'IoU': '80.0', 'Acc': '', 'F': ''},
        common | {'class': 'cell', 'IoU': '75.0', 'Acc': '', 'F': ''},
        common | {'class': 'a.b, c', 'IoU': '', 'Acc': '', 'F': '1.5'},
    ]


def test_any_name_of_a_class(hook, runner):
    hook.after_val_epoch(runner, {'IoU.Straße': 60.0, 'IoU.道路': 80.0})
    assert [row['class'] for row in rows(runner)] == ['Straße', '道路']


def test_a_validation_without_training_has_no_epoch(hook, tmp_path):
    # its train loop is a config that nobody must build
    runner = SimpleNamespace(log_dir=str(tmp_path), _train_loop=dict(type='EpochBasedTrainLoop'))
    hook.after_val_epoch(runner, {'IoU.cell': 60.0})
    (row,) = rows(runner)
    assert row == {'split': 'val', 'epoch': '', 'iter': '', 'class': 'cell', 'IoU': '60.0'}


def test_without_values_per_class_there_is_no_file(hook, runner, tmp_path):
    hook.after_val_epoch(runner, {'mIoU': 70.0})
    hook.after_val_epoch(runner, None)
    assert not list(tmp_path.iterdir())
