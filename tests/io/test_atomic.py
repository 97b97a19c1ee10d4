import pytest

from mmseg_attn.io.atomic import SUFFIX, atomic_path, write_file


def test_text_and_bytes_with_missing_folders(tmp_path):
    write_file(tmp_path / 'a/b/text', 'grün\n')
    write_file(str(tmp_path / 'a/bytes'), b'\0')
    assert (tmp_path / 'a/b/text').read_bytes() == 'grün\n'.encode()
    assert (tmp_path / 'a/bytes').read_bytes() == b'\0'


def test_the_file_changes_at_the_end_and_not_after_an_error(tmp_path):
    file = tmp_path / 'a'
    file.write_text('old')
    with atomic_path(file) as path:
        path.write_text('new')
        assert path == tmp_path / f'a{SUFFIX}'
        assert file.read_text() == 'old'
    assert file.read_text() == 'new'

    def fail():
        with atomic_path(file) as path:
            path.write_text('half')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {'a': 'new'}


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / 'taken').mkdir()
    with pytest.raises(OSError, match='taken'):
        write_file(tmp_path / 'taken', 'x')
    assert [path.name for path in tmp_path.iterdir()] == ['taken']
