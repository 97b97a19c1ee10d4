"""Files of the atomic backend are complete or not there."""

import errno
import os
import resource
import signal

import pytest
from mmengine.fileio import get_file_backend

from mmseg_attn.engine.atomic_backend import AtomicLocalBackend
from mmseg_attn.errors import CheckpointError
from mmseg_attn.io.atomic import SUFFIX


def backend() -> AtomicLocalBackend:
    return get_file_backend(backend_args=dict(backend='atomic_local'))


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_and_replaces(tmp_path):
    file = tmp_path / 'new' / 'a.pth'
    backend().put(b'one', file)
    backend().put(b'two', str(file))
    backend().put_text('grün', file.with_name('text'))
    assert contents(file.parent) == {'a.pth': b'two', 'text': 'grün'.encode()}


def test_the_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    fsync = os.fsync

    def look(handle):
        seen.append((os.readlink(f'/proc/self/fd/{handle}'), contents(tmp_path)))
        fsync(handle)

    monkeypatch.setattr(os, 'fsync', look)
    (tmp_path / 'a').write_bytes(b'old')
    backend().put(b'new', tmp_path / 'a')
    assert seen == [
        (str(tmp_path / f'a{SUFFIX}'), {'a': b'old', f'a{SUFFIX}': b'new'}),
        (str(tmp_path), {'a': b'new'}),
    ]


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path):
    """The file system refuses to write on in the middle of the file."""
    backend().put(b'old', tmp_path / 'a.pth')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            backend().put(bytes(2**21), tmp_path / 'a.pth')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert contents(tmp_path) == {'a.pth': b'old'}
    assert str(caught.value) == (
        f'{tmp_path}/a.pth (2.0 MiB) could not be written: File too large. Earlier files '
        'are intact: free disk space and continue with --resume'
    )


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize('step', ['fsync', 'replace'])
@pytest.mark.parametrize(
    ('error', 'raised'), [(FULL, CheckpointError), (KeyboardInterrupt('stop'), KeyboardInterrupt)]
)
def test_an_error_at_any_step_leaves_what_was_there(tmp_path, monkeypatch, step, error, raised):
    def fail(*args):
        raise error

    backend().put(b'old', tmp_path / 'a.pth')
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(raised, match=r'No space left on device|stop'):
        backend().put(b'new', tmp_path / 'a.pth')
    assert contents(tmp_path) == {'a.pth': b'old'}


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_a_kill_at_any_step_leaves_what_was_there(tmp_path, step):
    backend().put(b'old', tmp_path / 'a.pth')
    child = os.fork()
    if not child:
        setattr(os, step, lambda *args: os.kill(os.getpid(), signal.SIGKILL))
        backend().put(b'new', tmp_path / 'a.pth')
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = contents(tmp_path)
    assert left.pop(f'a.pth{SUFFIX}') == b'new'
    assert left == {'a.pth': b'old'}


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(CheckpointError, match=r'file/a\.pth .* could not be written: '):
        backend().put(b'new', tmp_path / 'file' / 'a.pth')
