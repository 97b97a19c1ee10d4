"""The memory of training steps: traces against sums, real memory and the page of the docs."""

import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.utils import digit_version

from mmseg_attn.errors import DataError
from tests.config_files import CONFIGS, ROOT, needs_timm

ALGORITHMS = {path.parent.name: path for path in reversed(CONFIGS)}  # the first of each
SMALL = 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.1'),
    reason='needs PyTorch 2.1: meta tensors have no cross entropy before',
)


@pytest.fixture
def memory(script):
    return script('training_memory')


@pytest.fixture
def small(memory):
    return memory.Job.of(ROOT / SMALL)


@pytest.mark.parametrize('setting', [(), (False, True), (False, False, 2)], ids=str)
def test_it_is_what_a_training_on_the_cpu_takes(memory, script, small, setting):
    setting = memory.Setting(*setting)
    traced = memory.trace(small, setting)
    step = memory.Step(small, setting, 'cpu')
    step()
    images = sum(x.nbytes for x in step.images())
    with script('memory').peak_memory() as peak:  # oneDNN's buffers included
        step()
    assert traced.peak == pytest.approx(traced.fixed + images + peak.bytes, rel=0.03)


def test_what_is_always_there(memory, small):
    model = memory.build(small.cfg, 'meta')
    parameters, buffers = list(model.parameters()), list(model.buffers())
    three = 3 * 4 * sum(p.numel() for p in parameters)  # Adam keeps two means of each weight
    counters = 4 * len(parameters)
    buffers = sum(x.nbytes for x in buffers)
    for setting in (memory.AS_IS, memory.Setting(amp=True, checkpointing=True)):
        assert memory.trace(small, setting).fixed == three + counters + buffers


def test_settings_take_less_and_less(memory, small):
    peaks = [memory.trace(small, setting).peak for setting in memory.settings(4)]
    assert len(peaks) == 5
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == 5


def test_gradients_that_are_accumulated_are_there_in_the_next_part(memory, small):
    quarter = memory.trace(small._replace(batch=1))
    parts = memory.trace(small, memory.Setting(parts=4))
    model = memory.build(small.cfg, 'meta')
    gradients = sum(p.nbytes for p in model.parameters())
    assert quarter.peak < parts.peak <= quarter.peak + gradients


@pytest.mark.parametrize('name', sorted(ALGORITHMS))
def test_every_algorithm_is_traced(memory, name):
    job = memory.Job.of(ALGORITHMS[name])
    traced = memory.trace(job, memory.Setting(amp=True, checkpointing=True))
    assert 0 < traced.fixed < traced.peak


def test_the_cheapest_setting_that_fits(memory):
    peaks = {'as is': 40, 'amp': 20, 'amp + ckpt': 8, 'amp + ckpt + 1/2': 5}
    peaks |= {'amp + ckpt + 1/3': 4, 'amp + ckpt + 1/6': 3}

    def count(setting):
        return memory.Memory(peaks[str(setting)] * memory.GIB, 0)

    assert [str(setting) for setting in memory.settings(6)] == list(peaks)
    names = ['none', *reversed(peaks)]  # 0.85 of a card is to be used
    cards = [(3,), (4,), (5,), (6, 9), (10, 12, 23), (24, 47), (48, 80)]
    for name, sizes in zip(names, cards, strict=True):
        assert {memory.fits(count, 6, card) for card in sizes} == {name}


def test_the_script(memory, tmp_path, capsys):
    page, file = tmp_path / 'page.md', tmp_path / 'out.json'
    page.write_text('before\n{}\nold\n{}\nafter\n'.format(*memory.MARKS))
    memory.main([str(ROOT / SMALL), '--cards', '1', '--page', str(page), '--json', str(file)])
    steps, cards = json.loads(file.read_text())['tables']
    (row,) = steps['rows']
    assert row['config'] == Path(SMALL).stem
    assert list(row)[2:] == [
        *('float32', 'bfloat16', 'float32, checkpointing', 'bfloat16, checkpointing'),
    ]
    job = memory.Job.of(ROOT / SMALL)
    assert row['bfloat16'] == memory.trace(job, memory.Setting(amp=True)).peak / memory.GIB
    assert cards['rows'] == [{'config': Path(SMALL).stem, '1 GB': 'as is'}]
    text = page.read_text()
    assert re.fullmatch(r'before\n<!-- begin.*\| as is \|.*-->\nafter\n', text, re.S)
    assert 'old' not in text
    assert 'cores used' not in capsys.readouterr().out  # nothing is timed


def test_what_is_refused(memory, tmp_path, monkeypatch):
    page = tmp_path / 'page.md'
    page.write_text(memory.MARKS[0])
    with pytest.raises(DataError, match=r'page.md lacks the lines <!-- begin of the tables'):
        memory.write_tables(page, 'x')
    Config.fromfile(ROOT / SMALL).dump(tmp_path / 'mine.py')
    with pytest.raises(DataError, match=r'mine.py does not end in the size of the crops'):
        memory.main([str(tmp_path / 'mine.py')])
    monkeypatch.setattr(torch, '__version__', '2.0.1+cu117')
    with pytest.raises(DataError, match=r'PyTorch 2\.0\.1\+cu117 has no cross entropy on'):
        memory.main([str(ROOT / SMALL)])


def test_the_page_shows_every_config_and_today_s_figures(memory):
    lines = (ROOT / 'docs/memory.md').read_text().splitlines()
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines if '|' in line]
    for path in CONFIGS:
        if needs_timm(path):  # not installed where the page is made
            continue
        assert len([row for row in rows if row[0] == path.stem]) == 2, 'run training_memory.py'
    shown = next(row for row in rows if row[0] == Path(SMALL).stem)
    job = memory.Job.of(ROOT / SMALL)
    peaks = [memory.trace(job, memory.Setting(amp=amp)).peak / memory.GIB for amp in (False, True)]
    assert list(map(float, shown[2:4])) == pytest.approx(peaks, rel=0.02)
