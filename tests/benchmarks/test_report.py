import argparse
import json
import sys

import pytest

from mmseg_attn.errors import DataError


@pytest.fixture
def report(script):
    return script('report')


@pytest.fixture
def args(report, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['benchmarks/x.py', '--json', 'out.json'])
    return report.parser('x').parse_args(
        ['--device', 'cpu', '--json', str(tmp_path / 'out.json'), '--threads', '1']
    )


@pytest.mark.parametrize(
    ('limit', 'measured', 'at_least', 'verdict'),
    [
        (0.5, 0.4, False, 'met'),
        (0.5, 0.5, False, 'met'),
        (0.5, 0.6, False, 'missed'),
        (3, 2.9, True, 'missed'),
        (3, 3.0, True, 'met'),
        (3, None, True, 'not measured'),
    ],
)
def test_verdicts(report, limit, measured, at_least, verdict):
    assert report.Target('x', limit, measured, at_least).verdict == verdict


def test_tables(report):
    rows = [
        {'name': 'a', 'ms': 1234.5, 'ratio': 0.01234, 'count': 12, 'note': ''},
        {'name': 'b', 'ms': 0.0, 'count': 3, 'note': '', 'more': 'text'},
    ]
    assert report.markdown(rows).splitlines() == [
        '| name | ms | ratio | count | more |',
        '| --- | ---: | ---: | ---: | --- |',
        '| a | 1234 | 0.0123 | 12 |  |',
        '| b | 0 |  | 3 | text |',
    ]


def test_what_is_printed_and_written(report, script, args, capsys):
    made = report.Report(args)
    row = script('harness').Row('plain', 0.5, 0.4, 0.6, 1.0, 2**20, 1.0)
    made.timings('first', [row], 'plain', lambda row: {'images per second': 1 / row.median})
    made.table('second', [{'size': 3}])
    made.targets.append(report.Target('first, a / b', 0.5, 0.75))
    made.close()
    printed = capsys.readouterr().out
    assert 'threads: 1\n' in printed
    assert '### first' in printed
    assert '| plain | 500 | 400 | 600 | 1.00 | 1.00 | 1.00 | 2.00 |' in printed
    assert '| first, a / b | at most 0.5 | 0.750 | missed |' in printed
    content = json.loads(args.json.read_text())
    assert content['command'] == 'python -m benchmarks.x --json out.json'
    assert {'machine', 'device', 'threads', 'date'} < set(content)
    assert 'torch' in content['machine']['versions']
    first, second = content['tables']
    assert (first['title'], first['baseline']) == ('first', 'plain')
    assert first['rows'][0]['median'] == 0.5
    assert first['rows'][0]['images per second'] == 2
    assert second == dict(title='second', rows=[{'size': 3}])
    assert content['targets'][0]['verdict'] == 'missed'


def test_a_missing_folder_is_refused_before_anything_runs(report, args, tmp_path):
    args.json = tmp_path / 'missing' / 'out.json'
    with pytest.raises(DataError, match=r'cannot write .*out.json: its folder does not exist'):
        report.Report(args)


def test_a_missing_gpu_is_refused(report, args, monkeypatch):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 0)
    args.device = 'cuda:1'
    with pytest.raises(DataError, match='--device cuda:1: this machine has no GPU 1; use cpu'):
        report.Report(args)


def test_the_gpu_that_is_asked_for_is_the_current_one(report, args, monkeypatch):
    current = []
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    monkeypatch.setattr('torch.cuda.set_device', current.append)
    args.device = 'cuda:1'
    report.Report(args)
    assert current == [1]


def test_a_busy_machine_is_told(report, script, args, capsys, monkeypatch):
    quiet, cores = script('quiet'), iter([0.01, 1.5])
    monkeypatch.setattr(quiet.OtherLoad, 'cores', lambda self: next(cores))
    made = report.Report(args)
    assert capsys.readouterr().err == ''
    made.close()
    printed = capsys.readouterr()
    assert printed.out.endswith('cores used by other processes during the run: 1.50\n')
    assert printed.err.startswith('warning: other processes use 1.5 of')
    content = json.loads(args.json.read_text())
    assert content['cores used by others'] == dict(before=0.01, during=1.5)


def test_where_nothing_is_timed_nothing_is_told(report, script, args, capsys):
    report.Report(args, timed=False).close()
    assert 'cores used' not in capsys.readouterr().out
    assert 'cores used by others' not in json.loads(args.json.read_text())


def test_at_least(report):
    assert report.at_least(3)('3') == 3
    with pytest.raises(argparse.ArgumentTypeError, match='2 is below 3'):
        report.at_least(3)('2')
    with pytest.raises(ValueError, match='invalid literal'):
        report.at_least(3)('three')
