"""``--help`` and wrong arguments are answered by the standard library alone, so at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import train

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob('tools/**/*.py'))
STANDARD = ('tools/test.py', 'tools/train.py')
RUN = """
import json, runpy, sys
before = set(sys.modules)
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
finally:
    loaded = {name.partition('.')[0] for name in set(sys.modules) - before}
    print(json.dumps(sorted(loaded - sys.stdlib_module_names)), file=sys.stderr)
"""


def run(tool: str, *arguments: str) -> tuple[int, str, str, list[str]]:
    """Return exit code, both outputs, and the packages that were imported."""
    command = [sys.executable, '-c', RUN, ROOT / tool, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    *lines, packages = done.stderr.splitlines()
    return done.returncode, done.stdout, '\n'.join(lines), json.loads(packages)


def test_the_tools_are_found():
    assert len(TOOLS) > 20
    assert set(STANDARD) < set(TOOLS)


@pytest.mark.parametrize('tool', TOOLS)
def test_help_imports_no_package(tool):
    code, out, _, packages = run(tool, '--help')
    assert (code, packages) == (0, [])
    assert out.startswith(f'usage: {Path(tool).name}')


@pytest.mark.parametrize('tool', TOOLS)
def test_wrong_arguments_import_no_package(tool):
    code, _, error, packages = run(tool, '--no-such-argument')
    assert (code, packages) == (2, [])
    assert f'{Path(tool).name}: error: ' in error


@pytest.mark.parametrize('tool', STANDARD)
def test_the_arguments_are_those_of_mmsegmentation(tool):
    _, out, _, _ = run(tool, '--help')
    for argument in ('--work-dir', '--launcher {none,pytorch,slurm,mpi}', '--cfg-options'):
        assert argument in out
    assert ('--resume' in out) == (tool == 'tools/train.py')


def test_valid_arguments_are_left_to_the_tool(monkeypatch):
    options = ['--amp', '--cfg-options', 'a.b=1', 'c=[1,2]']
    monkeypatch.setattr(sys, 'argv', ['train.py', 'config.py', *options])
    assert train.check_arguments('train.py') is None


def test_a_tool_that_parses_otherwise_is_run(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['train.py', '--help'])
    for tool in ('no_such_tool.py', 'dist_train.sh'):
        assert train.check_arguments(tool) is None
