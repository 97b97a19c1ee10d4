import pytest

from mmseg_attn.apps.runs.work_dir import find_checkpoint, find_metrics
from mmseg_attn.errors import RunError


def test_checkpoints(tmp_path):
    with pytest.raises(RunError, match='contains no checkpoint to test'):
        find_checkpoint(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('elsewhere/epoch_20.pth')
    assert find_checkpoint(tmp_path) == 'epoch_20.pth'
    for name in ('best_mIoU_epoch_9.pth', 'best_mIoU_epoch_10.pth'):
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path) == 'best_mIoU_epoch_10.pth'
    assert find_checkpoint(tmp_path, best=False) == 'epoch_20.pth'


def test_a_test_without_metrics_is_a_failure(tmp_path):
    with pytest.raises(RunError, match='contains no metrics'):
        find_metrics(tmp_path)
