import json
import os

import pytest

from mmseg_attn.apps.reproduce.process import (
    find_checkpoint,
    find_metrics,
    run_tool,
    seconds_per_iteration,
)
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
        ('sys.exit(3)', 'failed with exit code 3: it said nothing'),
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


def test_checkpoints(tmp_path):
    with pytest.raises(RunError, match='holds no checkpoint to test'):
        find_checkpoint(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('elsewhere/epoch_20.pth')
    assert find_checkpoint(tmp_path) == 'epoch_20.pth'
    for name in ('best_mIoU_epoch_9.pth', 'best_mIoU_epoch_10.pth'):
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path) == 'best_mIoU_epoch_10.pth'
    assert find_checkpoint(tmp_path, best=False) == 'epoch_20.pth'


def test_a_test_without_metrics_is_a_failure(tmp_path):
    with pytest.raises(RunError, match='holds no metrics'):
        find_metrics(tmp_path)


def test_time_of_an_iteration_is_the_median_without_the_warm_up(tmp_path):
    assert seconds_per_iteration(tmp_path) is None

    def log(name: str, entries: list[dict], rest: str = '') -> None:
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        text = ''.join(json.dumps(entry) + '\n' for entry in entries)
        (folder / 'scalars.json').write_text(text + rest)

    times = [90.0, 1.0, 3.0, 50.0]
    validation = [{'mIoU': 3.0, 'mean_loss': 2.0, 'time': 700.0}]
    log('a', [dict(loss=1.0, time=time) for time in times] + validation, '{"loss": 1.0, "ti')
    log('b', [dict(loss=1.0, time=80.0), dict(loss=1.0, time=2.0)])
    assert seconds_per_iteration(tmp_path) == 2.5
