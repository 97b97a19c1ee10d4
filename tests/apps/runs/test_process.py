import os
import platform
import time

import pytest
import torch

from mmseg_attn.apps.runs.process import environment, machine, run_tool, versions
from mmseg_attn.errors import RunError


@pytest.fixture
def tool(tmp_path):
    def tool(code: str):
        (tmp_path / 'tool.py').write_text(f'import os, sys, time\n{code}')
        return tmp_path / 'tool.py'

    return tool


def finish(*arguments, **options) -> None:
    for _ in run_tool(*arguments, **options):
        time.sleep(0.01)


def test_lines_are_passed_on_and_kept(tool, tmp_path):
    lines, log = [], tmp_path / 'log.txt'
    log.write_text('before\n')
    code = 'print(sys.argv[1:])\nprint("later", file=sys.stderr, end="")'
    finish(tool(code), 'a', '--b', log=log, on_line=lines.append)
    assert lines == ["['a', '--b']", 'later']  # the last line has no end
    assert log.read_text() == 'before\n' + '\n'.join(lines)


def test_lines_come_while_the_tool_runs_and_are_whole(tool, tmp_path):
    code = (
        f'def wait(name):\n    while not os.path.exists("{tmp_path}/" + name): time.sleep(0.01)\n'
    )
    code += 'sys.stdout.write("on")\nsys.stdout.flush()\nwait("go")\n'
    code += 'print("e", flush=True)\nwait("end")'
    lines, log = [], tmp_path / 'log.txt'
    steps = run_tool(tool(code), log=log, on_line=lines.append)
    while log.stat().st_size < 2 if log.exists() else True:
        next(steps)
    next(steps)
    assert lines == []
    (tmp_path / 'go').touch()
    while not lines:
        next(steps)
    assert lines == ['one']
    (tmp_path / 'end').touch()
    for _ in steps:
        time.sleep(0.01)
    assert lines == ['one']


@pytest.mark.parametrize(
    ('code', 'reason'),
    [
        ('raise ValueError("8 rows\\nand more")', 'failed with exit code 1: ValueError: 8 rows'),
        ('sys.exit("the reason")', 'failed with exit code 1: the reason'),
        ('sys.exit(3)', 'failed with exit code 3: no output'),
        ('os.kill(os.getpid(), 9)', 'was ended by SIGKILL'),
    ],
)
def test_a_failure_has_its_reason(tool, tmp_path, code, reason):
    with pytest.raises(RunError, match=rf'^tool.py {reason} \(see .*log.txt\)$'):
        finish(tool(code), log=tmp_path / 'log.txt')


@pytest.mark.parametrize('how', ['closed', 'interrupted'])
def test_the_tool_ends_with_the_iterator(tool, tmp_path, how):
    pids = []

    def on_line(line: str) -> None:
        pids.append(int(line))
        if how == 'interrupted':
            raise KeyboardInterrupt

    code = 'print(os.getpid(), flush=True)\ntime.sleep(7200)'
    steps = run_tool(tool(code), log=tmp_path / 'log.txt', on_line=on_line)
    try:
        while not pids:
            next(steps)
    except KeyboardInterrupt:
        assert how == 'interrupted'
    steps.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_the_tool_has_the_environment_and_more(tool, tmp_path):
    code = 'print(os.environ["FOLD"], os.environ["HOME"])'
    finish(tool(code), log=tmp_path / 'log.txt', variables=dict(FOLD='2'))
    assert (tmp_path / 'log.txt').read_text() == f'2 {os.environ["HOME"]}\n'


def test_environment_names_what_a_measurement_depends_on():
    machine = environment()
    assert f'torch {torch.__version__}' in machine['versions']
    assert f'Python {platform.python_version()}' in machine['versions']
    for name in ('mmengine', 'mmcv', 'mmsegmentation', 'mmseg_attn', 'numpy'):
        assert name in machine['versions']
    assert f' cores, PyTorch on {torch.get_num_threads()}' in machine['CPU']
    assert ('GPU' in machine) == torch.cuda.is_available()


def test_versions_and_machine_name_no_user_and_no_folder():
    assert versions()['torch'] == torch.__version__
    assert machine(3)['threads'] == 3
    assert machine()['threads'] == torch.get_num_threads()
    text = str([versions(), machine()])
    assert '/home' not in text
    assert platform.node() not in text or len(platform.node()) < 4
