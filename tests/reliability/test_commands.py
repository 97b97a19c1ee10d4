"""Short runs of the two commands whose long ones are in docs/reliability.md."""

import pytest

from tests.processes import run_script


def run(name: str, *arguments: str) -> str:
    done = run_script(f'tests/reliability/{name}.py', *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_killed_training_is_resumed_as_if_nothing_was():
    out = run('kill_training', '--kills', '2', '--seed', '3')
    assert '2 kills, 2 resumed with the result of a training alone' in out


def test_corrupted_files_are_taken_or_refused():
    out = run('fuzz', '--files', '60', '--seed', '7')
    assert out.splitlines()[-1].split()[:2] == ['all', '60']
    assert out.splitlines()[-1].split()[-1] == '0'


def test_valid_and_unusual_files_are_right_or_refused():
    for name in ('imagecodecs', 'imageio', 'nibabel', 'pydicom', 'tifffile'):
        pytest.importorskip(name, reason=f'needs {name}, which reads what our readers have read')
    out = run('fuzz', '--unusual', '30', '--seed', '7')
    files, right, _, defects = map(int, out.splitlines()[-1].split()[1:])
    assert (files, defects) == (30, 0)
    assert right > 10
