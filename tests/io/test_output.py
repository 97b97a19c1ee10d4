import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from mmseg_attn.errors import DataError
from mmseg_attn.io import fingerprint, staged_output


def convert(out, text='one', converter='test', at_work=lambda: None):
    with staged_output(out, converter=converter) as stage:
        (stage.scratch / 'unpacked').write_text('away with it')
        (stage.folder / 'images').mkdir()
        (stage.folder / 'images' / 'a.txt').write_text(text)
        stage.manifest.update(settings=dict(text=text))
        at_work()
    return stage


def tree(folder):
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_writes_the_folder_and_its_manifest_and_nothing_else(tmp_path):
    convert(tmp_path / 'data' / 'x')
    assert sorted(tree(tmp_path)) == ['data/x/conversion.json', 'data/x/images/a.txt']
    manifest = json.loads((tmp_path / 'data' / 'x' / 'conversion.json').read_text())
    assert manifest['converter'] == 'test'
    assert manifest['settings'] == dict(text='one')
    assert list(manifest['files']) == ['images/a.txt']


def test_twice_the_same_leaves_the_first(tmp_path):
    assert not convert(tmp_path / 'x').unchanged
    before = (tmp_path / 'x').stat().st_ino, tree(tmp_path)
    assert convert(tmp_path / 'x').unchanged
    assert ((tmp_path / 'x').stat().st_ino, tree(tmp_path)) == before


def test_other_settings_replace_our_own_result(tmp_path):
    convert(tmp_path / 'x')
    assert not convert(tmp_path / 'x', text='two').unchanged
    assert tree(tmp_path)['x/images/a.txt'] == b'two'
    assert len(tree(tmp_path)) == 2


def test_missing_files_are_restored(tmp_path):
    convert(tmp_path / 'x')
    (tmp_path / 'x' / 'images' / 'a.txt').unlink()
    assert not convert(tmp_path / 'x').unchanged
    assert tree(tmp_path)['x/images/a.txt'] == b'one'


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / 'x').mkdir()
    convert(tmp_path / 'x')
    assert 'x/images/a.txt' in tree(tmp_path)


def refused(tmp_path, match):
    before = tree(tmp_path)
    with pytest.raises(DataError, match=match):
        convert(tmp_path / 'x', text='two')
    assert tree(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ['x']


def test_something_else_is_refused_and_untouched(tmp_path):
    (tmp_path / 'x').mkdir()
    (tmp_path / 'x' / 'thesis.txt').write_text('three years')
    refused(tmp_path, 'files that this converter did not write:')


def test_a_file_in_the_way_is_refused_and_untouched(tmp_path):
    (tmp_path / 'x').write_text('a file')
    refused(tmp_path, 'files that this converter did not write:')


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"converter": "test", "files": 3}', '\x00'])
def test_a_foreign_manifest_is_refused(tmp_path, text):
    (tmp_path / 'x').mkdir()
    (tmp_path / 'x' / 'conversion.json').write_text(text)
    refused(tmp_path, 'files that this converter did not write:')


def test_the_result_of_another_converter_is_refused(tmp_path):
    convert(tmp_path / 'x', converter='other')
    refused(tmp_path, 'files that this converter did not write:')


@pytest.mark.parametrize('name', ['images/a.txt', 'images/b.txt', 'splits/mine.txt'])
def test_what_the_user_added_or_changed_is_refused_and_named(tmp_path, name):
    convert(tmp_path / 'x')
    (tmp_path / 'x' / name).parent.mkdir(exist_ok=True)
    (tmp_path / 'x' / name).write_text('mine')
    refused(tmp_path, f'{name} was added or changed')


def test_a_linked_folder_in_the_result_is_refused(tmp_path):
    convert(tmp_path / 'x')
    (tmp_path / 'x' / 'link').symlink_to('/')
    refused(tmp_path, 'link was added or changed')


@pytest.mark.parametrize('error', [DataError, OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_result_and_nothing_new(tmp_path, error):
    def fail():
        raise error('bad')

    convert(tmp_path / 'x')
    before = tree(tmp_path)
    for out in (tmp_path / 'x', tmp_path / 'new' / 'parents' / 'y'):
        with pytest.raises(error, match='bad'):
            convert(out, text='two', at_work=fail)
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ['x']


def test_errors_name_members_of_an_archive_and_no_temporary_folder(tmp_path):
    def fail(names):
        with staged_output(tmp_path / 'x', converter='test') as stage:
            raise DataError(names.format(stage.scratch))

    with pytest.raises(DataError, match=r'^top/a\.png is bad$'):
        fail('{}/top/a.png is bad')
    with pytest.raises(DataError, match=r'^the archive holds nothing$'):
        fail('{} holds nothing')


def test_a_failing_last_step_restores_the_old_result(tmp_path, monkeypatch):
    convert(tmp_path / 'x')
    before = tree(tmp_path)
    rename = type(tmp_path).rename

    def failing(self, target):
        if self.name == 'new':
            raise OSError(28, 'No space left on device')
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), 'rename', failing)
    with pytest.raises(OSError, match='No space left'):
        convert(tmp_path / 'x', text='two')
    assert tree(tmp_path) == before


def test_what_appears_during_the_run_is_not_overwritten(tmp_path):
    def appear():
        (tmp_path / 'x').mkdir()
        (tmp_path / 'x' / 'new.txt').write_text('new')

    with pytest.raises(DataError, match='contains files that this converter did not write'):
        convert(tmp_path / 'x', at_work=appear)
    assert tree(tmp_path) == {'x/new.txt': b'new'}


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    code = (
        'import os, signal, sys\n'
        'from mmseg_attn.io import staged_output\n'
        "with staged_output(sys.argv[1], converter='test') as stage:\n"
        "    (stage.folder / 'half').write_text('half')\n"
        '    os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    run = subprocess.run([sys.executable, '-c', code, tmp_path / 'x'], check=False)
    assert run.returncode == -9
    assert len(list(tmp_path.glob('.x.partial-*'))) == 1
    assert not (tmp_path / 'x').exists()
    (tmp_path / '.x.partial-mine').mkdir()  # a like name without our marker
    convert(tmp_path / 'x')
    assert sorted(os.listdir(tmp_path)) == ['.x.partial-mine', 'x']


STEPS = ('open', 'os.mkdir', 'os.rename', 'os.remove', 'os.rmdir')


def killed(out, step):
    """Convert in a process that is killed before a step; whether there is such a step."""
    child = os.fork()
    if not child:
        left = [step]

        def hook(event, arguments):
            if event in STEPS:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        convert(out, text='two')
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize('older', [False, True])
def test_a_kill_before_any_step_is_made_good(tmp_path, older):
    convert(tmp_path / 'one')
    convert(tmp_path / 'two', text='two')
    one, two, out = tree(tmp_path / 'one'), tree(tmp_path / 'two'), tmp_path / 'place' / 'out'
    step = 0
    while True:
        if older:
            convert(out)
        if not killed(out, step):
            break
        assert tree(out) in ({}, one, two)  # between two renames it has another name
        convert(out, text='two')
        assert tree(out) == two
        assert os.listdir(out.parent) == ['out']
        shutil.rmtree(out.parent)
        step += 1
    assert step > 15


def test_a_run_at_work_is_left_alone(tmp_path):
    with staged_output(tmp_path / 'x', converter='test') as stage:
        (stage.folder / 'first').write_text('first')
        convert(tmp_path / 'x', text='second')
        assert (stage.folder / 'first').exists()
    assert sorted(tree(tmp_path)) == ['x/conversion.json', 'x/first']


def test_fingerprint_sees_names_and_contents_but_no_folders(tmp_path):
    def write(folder, name, text):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(text)
        return tmp_path / folder / name

    base = fingerprint([write('a', 'x', '1'), write('a', 'y', '2')])
    assert base == fingerprint([write('b', 'x', '1'), write('b', 'y', '2')])
    assert base != fingerprint([write('c', 'x', '1'), write('c', 'y', '3')])
    assert base != fingerprint([write('d', 'z', '1'), write('d', 'y', '2')])
