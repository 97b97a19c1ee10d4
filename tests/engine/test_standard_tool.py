"""Which errors of MMSegmentation's tools are the user's; tests/reliability runs the tools."""

import errno
import os
import runpy
from functools import partial

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_from_local

from mmseg_attn.engine.hooks import ResumedScheduleHook
from mmseg_attn.engine.standard_tool import run_standard_tool
from mmseg_attn.errors import CheckpointError, DataError, DivergenceError

WORKER = 'Caught DataError in worker process 0.\nTraceback:\n  File "x"\nDataError: a.png is bad\n'


def missing(name: str) -> FileNotFoundError:
    """As the system raises it."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


@pytest.fixture
def raised(monkeypatch):
    def raised(error: BaseException, tool: str = 'train.py') -> None:
        def run(*args, **kwargs):
            raise error

        monkeypatch.setattr(runpy, 'run_path', run)
        run_standard_tool(tool)

    return raised


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (CheckpointError('a.pth is bad'), 'a.pth is bad'),
        (DataError('a.png is bad'), 'a.png is bad'),
        (DataError(WORKER), 'DataError: a.png is bad'),
        (DataError('class `A` in b/c.py: class `D` in e.py: a.png is bad'), 'a.png is bad'),
        (DivergenceError('loss is nan'), 'loss is nan'),
        (missing('a.txt'), 'a.txt is missing: correct the path'),
        (
            FileNotFoundError(f'{WORKER}{missing("a.png")}'),
            "[Errno 2] No such file or directory: 'a.png'",
        ),
        (
            OSError(errno.ENOSPC, 'No space left on device', 'log.txt'),
            "[Errno 28] No space left on device: 'log.txt': free disk space and continue with "
            '--resume',
        ),
        (
            FileExistsError(errno.EEXIST, 'File exists', 'out'),
            'out is a file, but a folder is needed: choose another path',
        ),
    ],
)
def test_the_users_faults_are_one_sentence(raised, error, sentence):
    with pytest.raises(SystemExit) as end:
        raised(error)
    assert end.value.code == f'error: {sentence}'


@pytest.mark.parametrize(
    'error',
    [
        ValueError(),
        FloatingPointError(),
        OSError(errno.EIO, 'x'),
        SystemExit(3),
        FileNotFoundError('no atlas'),  # someone's own, who needs the traceback
        FileNotFoundError(),
    ],
)
def test_all_else_passes(raised, error):
    with pytest.raises(type(error)) as caught:
        raised(error)
    assert caught.value is error


@pytest.mark.parametrize('load', [Config.fromfile, partial(load_from_local, map_location='cpu')])
def test_files_that_mmengine_misses_are_named(raised, load):
    with pytest.raises(FileNotFoundError) as caught:
        load('nothing.py')
    with pytest.raises(SystemExit, match=r'^error: .*nothing\.py'):
        raised(caught.value)


def test_a_folder_in_place_of_a_checkpoint_is_named(raised, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load_from_local(str(tmp_path), map_location='cpu')
    with pytest.raises(SystemExit, match=r'is a folder: name a checkpoint file in it$'):
        raised(caught.value)


@pytest.mark.parametrize(
    ('tool', 'sentence'),
    [
        ('train.py', 'error: interrupted; run the same command with --resume to continue\n'),
        ('test.py', 'error: interrupted\n'),
    ],
)
def test_an_interruption_is_one_sentence(raised, capsys, tool, sentence):
    with pytest.raises(SystemExit) as end:
        raised(KeyboardInterrupt(), tool)
    assert end.value.code == 130
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize('own', [dict(), dict(schedule=dict(type='mmseg.ResumedScheduleHook'))])
def test_a_config_of_anyone_follows_a_changed_schedule_once(monkeypatch, tmp_path, own):
    def hooks() -> list[ResumedScheduleHook]:
        cfg = dict(model=dict(type='UNetEncoder', channels=[2, 4]), default_hooks=own)
        name = f'{tmp_path.name}{len(counts)}'
        cfg |= dict(work_dir=str(tmp_path), default_scope='mmseg', experiment_name=name)
        cfg |= dict(env_cfg=dict(dist_cfg=dict(backend='gloo')))
        runner = Runner.from_cfg(Config(cfg))
        return [hook for hook in runner.hooks if isinstance(hook, ResumedScheduleHook)]

    counts: list[int] = []
    monkeypatch.setattr(runpy, 'run_path', lambda *args, **kwargs: counts.append(len(hooks())))
    run_standard_tool('train.py')
    assert counts == [1]
    assert len(hooks()) == len(own)  # the host is as before
