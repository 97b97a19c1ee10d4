"""Tools that run networks let idle threads spin briefly; others decide nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

ROOT = Path(__file__).resolve().parents[2]
TOOLS = [
    *('train', 'test', 'predict', 'report', 'export_onnx', 'calibrate'),
    *('analysis_tools/benchmark', 'analysis_tools/show_attention'),
]
RUN = """
import contextlib, os, runpy, sys
sys.argv = sys.argv[1:]
with contextlib.suppress(SystemExit):
    runpy.run_path(sys.argv[0], run_name='__main__')
sys.stdout.write(f"\\n{os.environ.get('GOMP_SPINCOUNT')} {os.environ.get('OMP_WAIT_POLICY')}")
"""


def settings(tool: str, **given: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')}
    command = [sys.executable, '-c', RUN, str(ROOT / f'tools/{tool}.py'), '--help']
    done = subprocess.run(command, env=env | given, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize('tool', TOOLS)
def test_the_user_decides_and_else_the_tool(tool):
    assert settings(tool) == '1000 None'
    assert settings(tool, OMP_WAIT_POLICY='ACTIVE') == 'None ACTIVE'
    assert settings(tool, GOMP_SPINCOUNT='7') == '7 None'


def test_the_import_decides_nothing():
    code = 'import os, mmseg_attn; print(os.environ.get("GOMP_SPINCOUNT"))'
    env = {k: v for k, v in environment(ROOT).items() if k != 'GOMP_SPINCOUNT'}
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == 'None', done.stderr
