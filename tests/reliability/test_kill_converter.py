"""A converter that is killed at any moment leaves nothing that looks whole, and runs again."""

import os
import random
import shutil
import signal
import time

import pytest

from tools.dataset_converters import drosophila, synthetic_sstem


def tree(folder) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp('archive')
    synthetic_sstem.main([str(folder / 'stack'), '--slices', '3', '--size', '128'])
    return shutil.make_archive(str(folder / 'stack'), 'zip', folder / 'stack')


def convert(archive, out, crop_size):
    drosophila.main([archive, '--out', str(out), '--crop-size', crop_size])


def killed(archive, out, crop_size, after) -> bool:
    child = os.fork()
    if not child:
        convert(archive, out, crop_size)
        os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize('again', [False, True], ids=['into nothing', 'over an older result'])
def test_kills_at_random_moments(archive, tmp_path, again):
    start = time.monotonic()
    convert(archive, tmp_path / 'alone', '64')
    seconds = time.monotonic() - start
    expected = tree(tmp_path / 'alone')
    convert(archive, tmp_path / 'older', '32')
    older = tree(tmp_path / 'older')

    out, chance, kills = tmp_path / 'place' / 'out', random.Random(0), 0
    while kills < 8:
        shutil.rmtree(out, ignore_errors=True)
        if again:
            convert(archive, out, '32')
        if not killed(archive, out, '64', chance.uniform(0, seconds)):
            continue
        kills += 1
        left = tree(out) if out.exists() else {}
        # between the two renames of the last step, the older result has another name
        assert left in ({}, older if again else {}, expected)
        convert(archive, out, '64')
        assert tree(out) == expected
        assert [path.name for path in out.parent.iterdir()] == ['out']
