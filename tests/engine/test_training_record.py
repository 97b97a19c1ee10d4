import pytest
from mmengine.config import Config

from mmseg_attn.engine.training_record import dumped_config, training_record_kept


@pytest.mark.parametrize(
    ('cfg', 'work_dir', 'file'),
    [
        ({}, None, 'work_dirs/x/x.py'),
        (dict(work_dir='a/b'), None, 'a/b/x.py'),
        (dict(work_dir='a/b'), 'c', 'c/x.py'),
    ],
)
def test_where_a_tool_writes(cfg, work_dir, file):
    assert str(dumped_config(Config(cfg), 'configs/x.py', work_dir)) == file


@pytest.fixture
def file(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('iter_2.pth')
    (tmp_path / 'x.py').write_text('trained = 1')
    return tmp_path / 'x.py'


def test_what_a_training_wrote_is_put_back(file):
    with training_record_kept(file):
        file.write_text('tested = 1')
    assert file.read_text() == 'trained = 1'


def test_also_if_the_test_fails(file):
    def fails() -> None:
        with training_record_kept(file):
            file.write_text('tested = 1')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert file.read_text() == 'trained = 1'


@pytest.mark.parametrize('case', ['no training', 'another process', 'removed', 'none'])
def test_all_else_is_left_alone(file, monkeypatch, case):
    if case == 'no training':
        (file.parent / 'last_checkpoint').unlink()
    if case == 'another process':
        monkeypatch.setenv('RANK', '1')
    with training_record_kept(None if case == 'none' else file):
        file.unlink() if case == 'removed' else file.write_text('tested = 1')
    assert not file.exists() if case == 'removed' else file.read_text() == 'tested = 1'
