"""Short runs of the two commands whose long ones are in docs/reliability.md."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(root):
    def run(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', f'tests/reliability/{name}.py', *arguments],
            cwd=root,
            env=os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_killed_training_is_resumed_as_if_nothing_was(run):
    out = run('kill_training', '--kills', '2', '--seed', '3')
    assert '2 kills, 2 resumed with the result of a training alone' in out


def test_spoilt_files_are_taken_or_refused(run):
    out = run('fuzz', '--files', '120', '--seed', '7')
    assert out.splitlines()[-1].split()[:2] == ['all', '120']
    assert out.splitlines()[-1].split()[-1] == '0'
