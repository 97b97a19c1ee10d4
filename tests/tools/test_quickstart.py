"""What the quickstart does, keeps and says; its tools are stubs here, .ci/run has the real ones."""

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import HANG
from tools import predict, report
from tools.analysis_tools import show_attention

TOOLS = 'dataset_converters/synthetic_sstem', 'dataset_converters/drosophila', 'train', 'test'
STUB = """
import json, os, sys, time
from pathlib import Path

name, arguments = Path(sys.argv[0]).stem, sys.argv[1:]
with open('calls', 'a') as file:
    print(json.dumps([name, *arguments]), file=file)
if name == 'drosophila':
    Path(arguments[2], 'splits/fold0').mkdir(parents=True, exist_ok=True)
    Path(arguments[2], 'splits/fold0/test.txt').write_text('03_01_00\\n03_01_01\\n')
if name in ('train', 'test'):
    assert Path(os.environ['DROSOPHILA_ROOT']).is_dir()
if name == 'train':
    Path(arguments[2], 'last_checkpoint').touch()
    for iteration in (8, 12):
        Path(arguments[2], f'best_mIoU_iter_{iteration}.pth').touch()
if os.environ.get('FAILS') == name:
    sys.exit('a reason')
if os.environ.get('WAITS') == name:
    Path('pid').write_text(str(os.getpid()))
    time.sleep(7200)
"""


class Place:
    """A folder to start the quickstart in, and an installation elsewhere."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.here, self.tools = folder / 'here', folder / 'installed/tools'
        self.here.mkdir()
        for tool in TOOLS:
            file = self.tools / f'{tool}.py'
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(STUB)
        self.script = shutil.copy(root / 'tools/quickstart.py', self.tools)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, self.script, *arguments],
            cwd=self.here,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # jobs in the background of a shell ignore SIGINT, and so would what they start
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, code: int = 0, **environment: str) -> tuple[str, str]:
        """What it prints, and what it says on stderr."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=HANG)
        assert process.returncode == code, err
        return out, err

    def calls(self) -> list[list[str]]:
        """The tools that ran since this was asked last, with their arguments."""
        file = self.here / 'calls'
        lines = file.read_text().splitlines()
        file.unlink()
        return [json.loads(line) for line in lines]

    def runs(self) -> list[Path]:
        return sorted((self.here / 'work_dirs/quickstart').iterdir())


@pytest.fixture
def place(tmp_path, root):
    return Place(tmp_path, root)


def test_everything_is_done_in_the_current_folder(place):
    before = sorted(place.tools.parent.rglob('*'))
    place.run()
    (folder,) = place.runs()
    data, work_dir = 'data/synthetic_sstem', str(folder.relative_to(place.here))
    config = str(place.tools.parent / 'configs/lfa_unet')
    generate, cut, train, test = place.calls()
    assert generate == ['synthetic_sstem', f'{data}_stack']
    assert cut == ['drosophila', f'{data}_stack', '--out', data]
    assert train[0] == 'train'
    assert train[1].startswith(config)
    assert train[2:] == ['--work-dir', work_dir]
    assert test[:3] == ['test', train[1], f'{work_dir}/best_mIoU_iter_12.pth']
    assert test[3:] == ['--work-dir', work_dir, '--show-dir', f'{work_dir}/images']
    assert sorted(place.tools.parent.rglob('*')) == before


def test_what_it_leaves_can_be_pasted(place):
    out, _ = place.run()
    (folder,) = place.runs()
    work_dir, crop = str(folder.relative_to(place.here)), 'data/synthetic_sstem/images/03_01_00.png'
    assert (
        f'\n   export DROSOPHILA_ROOT=data/synthetic_sstem\n   CONFIG={place.tools.parent}' in out
    )
    checkpoint = f'{work_dir}/best_mIoU_iter_12.pth'
    assert f'\n   CHECKPOINT={checkpoint}\n   WORK_DIR={work_dir}\n' in out
    lines = out.partition('== Next steps\n')[2].splitlines()
    first, second, third = (shlex.split(line)[1:] for line in lines)
    assert [Path(words[0]).name for words in (first, second, third)] == [
        'predict.py',
        'show_attention.py',
        'report.py',
    ]
    predicted, looked = predict.parse_args(first[1:]), show_attention.parse_args(second[1:])
    assert predicted.inputs == [looked.image] == [Path(crop)]
    assert predicted.checkpoint == looked.checkpoint == Path(checkpoint)
    assert report.parse_args(third[1:]).work_dirs == [Path(work_dir)]


def test_a_failed_training_is_resumed_and_a_finished_run_is_left_alone(place):
    _, err = place.run(code=1, FAILS='train')
    reason, *_, last = err.strip().splitlines()
    assert reason == 'a reason'
    assert re.search('"Train" failed.* run the same command again', last)
    assert len(place.calls()) == 3

    out, _ = place.run()
    (folder,) = place.runs()
    assert f'== Resuming the unfinished run {folder.relative_to(place.here)}\n' in out
    assert '--resume' in place.calls()[2]

    folder.rename(folder.with_name('20200101_000000'))  # it is called like this second
    out, _ = place.run()
    assert 'Resuming' not in out
    assert '--resume' not in place.calls()[2]
    assert len(place.runs()) == 2


def test_a_training_that_is_finished_is_kept(place):
    place.run(code=1, FAILS='test')
    place.calls()
    out, _ = place.run()
    assert '== Train: already finished' in out
    assert [name for name, *_ in place.calls()] == ['synthetic_sstem', 'drosophila', 'test']


def test_other_data_are_another_run(place):
    place.run(code=1, FAILS='test')
    (folder,) = place.runs()
    folder.rename(folder.with_name('20200101_000000'))
    place.calls()
    out, _ = place.run('--data', 'stack1')
    assert 'Resuming' not in out
    assert place.calls()[0] == [
        'drosophila',
        str(place.here / 'stack1'),
        '--out',
        'data/drosophila',
    ]


def test_a_run_in_use_is_left_alone(place):
    place.run(code=1, FAILS='test')
    (folder,) = place.runs()
    folder = folder.rename(folder.with_name('20200101_000000'))
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        out, _ = place.run(code=1, FAILS='train')
    finally:
        os.close(handle)
    assert 'Resuming' not in out
    assert len(place.runs()) == 2


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_one_sentence_and_ends_the_tool(place, number):
    process = place.start(WAITS='train')
    pid = place.here / 'pid'
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    if number == signal.SIGINT:  # Ctrl-C reaches all in the terminal
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=HANG)
    assert process.returncode == 130
    assert err == '\nquickstart interrupted: run the same command again to resume\n'
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    out, _ = place.run()
    assert 'Resuming' in out
