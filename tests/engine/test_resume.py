"""Which checkpoint a training goes on from."""

import os
import re

import pytest
import torch

from mmseg_attn.engine.resume import newest_checkpoint, resumable
from mmseg_attn.errors import CheckpointError


@pytest.fixture
def save(tmp_path):
    """Write a checkpoint, and perhaps name it in last_checkpoint."""

    def save(epoch, *, named=False, time='20240101_120000', folder=tmp_path, **more):
        content = dict(
            meta=dict(epoch=epoch, iter=epoch * 10, time=time),
            state_dict=dict(weight=torch.ones(3)),
            message_hub={},
        )
        path = folder / f'epoch_{epoch}.pth'
        torch.save(content | more, path)
        if named:
            (tmp_path / 'last_checkpoint').write_text(str(path))
        return path

    return save


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def find(tmp_path):
    chosen, skipped = newest_checkpoint(tmp_path, tmp_path, 'epoch_{}.pth')
    return chosen and chosen.name, skipped


def test_nothing_there(tmp_path):
    (tmp_path / 'best_mIoU_epoch_3.pth').write_bytes(b'')
    (tmp_path / 'epoch_4.pth.unfinished').write_bytes(b'')
    assert find(tmp_path) == (None, [])


def test_the_named_one(tmp_path, save):
    save(9)
    save(10, named=True)
    assert find(tmp_path) == ('epoch_10.pth', [])


def test_one_that_was_finished_just_before_the_kill(tmp_path, save):
    save(9, named=True)
    save(10)
    assert find(tmp_path) == ('epoch_10.pth', [])


def test_the_last_of_several_later_ones(tmp_path, save):
    save(9, named=True)
    save(11)
    save(10)
    assert find(tmp_path) == ('epoch_11.pth', [])


@pytest.mark.usefixtures('safe_loading')
def test_a_later_one_that_is_truncated_is_passed_over(tmp_path, save):
    save(9, named=True)
    cut(save(10))
    name, (reason,) = find(tmp_path)
    assert name == 'epoch_9.pth'
    assert reason.startswith(f'{tmp_path}/epoch_10.pth cannot be read as a checkpoint: its end is')


def test_a_later_one_of_an_earlier_run_is_left_alone(tmp_path, save):
    save(300, time='20230101_120000')
    save(9, named=True)
    assert find(tmp_path) == ('epoch_9.pth', [])


@pytest.mark.usefixtures('safe_loading')
def test_the_named_one_is_truncated(tmp_path, save):
    save(8)
    os.utime(save(30, time='20230101_120000'), (0, 0))
    cut(save(9, named=True))
    name, (reason,) = find(tmp_path)
    assert name == 'epoch_8.pth'
    assert 'epoch_9.pth cannot be read' in reason


@pytest.mark.parametrize(
    ('text', 'reason'),
    [('', 'is empty'), ('\0\0', 'which is missing'), ('x/epoch_5.pth', 'missing')],
)
def test_last_checkpoint_names_nothing(tmp_path, save, text, reason):
    save(3)
    (tmp_path / 'last_checkpoint').write_text(text)
    name, (sentence,) = find(tmp_path)
    assert name == 'epoch_3.pth'
    assert re.search(f'last_checkpoint .*{reason}$', sentence)


def test_without_last_checkpoint(tmp_path, save):
    save(3)
    save(10)
    assert find(tmp_path) == ('epoch_10.pth', [])


def test_a_folder_that_was_moved(tmp_path, save):
    save(3, named=True)
    save(2)
    (tmp_path / 'last_checkpoint').write_text('old/place/epoch_3.pth')
    assert find(tmp_path) == ('epoch_3.pth', [])


def test_another_folder(tmp_path, save):
    (tmp_path / 'out').mkdir()
    save(3, named=True, folder=tmp_path / 'out')
    save(7)
    chosen, _ = newest_checkpoint(tmp_path, tmp_path / 'out', 'epoch_{}.pth')
    assert chosen == tmp_path / 'out' / 'epoch_3.pth'


def test_all_are_broken(tmp_path, save):
    cut(save(3))
    cut(save(4, named=True))
    name, skipped = find(tmp_path)
    assert name is None
    assert len(skipped) == 2


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (
            {'layer.weight': torch.ones(2)},
            'it contains no meta and no state_dict and no message_hub',
        ),
        (dict(meta={}, state_dict={}), 'it contains no message_hub'),
        ([1, 2], 'it contains no meta'),
        (dict(meta=dict(iter=3), state_dict={}, message_hub={}), 'its epoch is None'),
        (dict(meta=dict(epoch=1, iter=-3), state_dict={}, message_hub={}), 'its iter is -3'),
        (dict(meta=dict(epoch='x', iter=1), state_dict={}, message_hub={}), "its epoch is 'x'"),
    ],
)
def test_what_is_no_state_of_a_training(content, reason):
    with pytest.raises(CheckpointError, match=f'^a.pth cannot be resumed, since {reason}'):
        resumable(content, 'a.pth')
