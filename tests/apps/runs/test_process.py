import os
import platform

import pytest
import torch

from mmseg_attn.apps.runs.process import environment, run_tool
from mmseg_attn.errors import RunError


@pytest.fixture
def tool(tmp_path):
    def tool(code: str):
        (tmp_path / 'tool.py').write_text(f'import os, sys, time\n{code}')
        return tmp_path / 'tool.py'

    return tool


def test_lines_are_passed_on_and_kept(tool, tmp_path):
    lines, log = [], tmp_path / 'log.txt'
    log.write_text('before\n')
    code = 'print(sys.argv[1:])\nprint("later", file=sys.stderr)'
    run_tool(tool(code), 'a', '--b', log=log, on_line=lines.append)
    assert lines == ["['a', '--b']\n", 'later\n']
    assert log.read_text() == 'before\n' + ''.join(lines)


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
        run_tool(tool(code), log=tmp_path / 'log.txt', on_line=lambda line: None)


def test_an_interruption_ends_the_tool(tool, tmp_path):
    pids = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tool(
            tool('print(os.getpid(), flush=True)\ntime.sleep(7200)'),
            log=tmp_path / 'log.txt',
            on_line=interrupt,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_without_a_log_the_tool_prints_itself_and_has_its_environment(tool, tmp_path, capfd):
    code = 'print(os.environ["FOLD"], os.environ["HOME"], flush=True)\nsys.exit(3)'
    with pytest.raises(RunError, match=r'^tool.py failed with exit code 3 \(see above\)$'):
        run_tool(tool(code), variables=dict(FOLD='2'))
    assert capfd.readouterr().out == f'2 {os.environ["HOME"]}\n'


def test_environment_names_what_a_measurement_depends_on():
    machine = environment()
    assert f'torch {torch.__version__}' in machine['versions']
    assert f'Python {platform.python_version()}' in machine['versions']
    for name in ('mmengine', 'mmcv', 'mmsegmentation', 'mmseg_attn', 'numpy'):
        assert name in machine['versions']
    assert f' cores, PyTorch on {torch.get_num_threads()}' in machine['CPU']
    assert ('GPU' in machine) == torch.cuda.is_available()
