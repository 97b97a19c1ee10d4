"""Which errors of MMSegmentation's tools are the user's; tests/reliability runs the tools."""

import errno
import runpy

import pytest

from mmseg_attn.compat.checkpoint import CheckpointError
from mmseg_attn.datasets.errors import DataError
from mmseg_attn.engine import run_standard_tool
from mmseg_attn.engine.hooks.divergence_hook import DivergenceError

WORKER = 'Caught DataError in worker process 0.\nTraceback:\n  File "x"\nDataError: a.png is bad\n'


@pytest.fixture
def raised(monkeypatch):
    def raised(error: BaseException) -> None:
        def run(*args, **kwargs):
            raise error

        monkeypatch.setattr(runpy, 'run_path', run)
        run_standard_tool('train.py')

    return raised


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (CheckpointError('a.pth is bad'), 'a.pth is bad'),
        (DataError('a.png is bad'), 'a.png is bad'),
        (DataError(WORKER), 'DataError: a.png is bad'),
        (DivergenceError('loss is nan'), 'loss is nan'),
        (FileNotFoundError('a.txt is missing'), 'a.txt is missing'),
        (
            OSError(errno.ENOSPC, 'No space left on device', 'log.txt'),
            "[Errno 28] No space left on device: 'log.txt': make room and go on with --resume",
        ),
    ],
)
def test_the_users_faults_are_one_sentence(raised, error, sentence):
    with pytest.raises(SystemExit) as end:
        raised(error)
    assert end.value.code == f'error: {sentence}'


@pytest.mark.parametrize(
    'error', [ValueError(), FloatingPointError(), OSError(errno.EIO, 'x'), SystemExit(3)]
)
def test_all_else_passes(raised, error):
    with pytest.raises(type(error)) as caught:
        raised(error)
    assert caught.value is error
