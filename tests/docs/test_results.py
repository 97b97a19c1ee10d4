"""The pages in docs/results have the figures of the records, and no others."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from benchmarks.nnunet import SLICE
from mmseg_attn.apps.reproduce import load_tables
from mmseg_attn.apps.runs import (
    case_rule,
    compare,
    comparison,
    read_record,
    read_records,
    statistics,
)
from mmseg_attn.datasets import DrosophilaDataset
from tests.docs.pages import RESULTS, ROOT
from tests.tables import md_tables
from tools import reproduce

PAGES = sorted(RESULTS.glob('*.csv'))


def section(file: str, title: str) -> str:
    return (ROOT / file).read_text().split(f'\n## {title}\n')[1].split('\n## ')[0]


README = section('README.md', 'Results')
LFA = section('configs/lfa_unet/README.md', 'Our small runs')


def rows(file) -> list[list[str]]:
    """Without the last column: whether code was changed since depends on the day."""
    with file.open(newline='') as lines:
        return [row[:-1] for row in csv.reader(lines)]


def text(file) -> str:
    """Without intervals, what they show, and what depends on the day."""
    content = file.read_text()
    for pattern in (
        r' \(95 % interval [^)]*\)',
        'no difference shown: ',
        r'(; )?changed since: [^|]*(?= \|)',
        r' \\\*',
        r'\n\\\* Code that .*\n',
    ):
        content = re.sub(pattern, '', content)
    return content


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_a_page_is_made_of_the_records(page, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, '_RESAMPLES', comparison._CHUNK)  # intervals are not compared
    monkeypatch.setattr(reproduce, 'list_tables', lambda *args: '')  # see below
    shutil.copytree(RESULTS / 'runs', tmp_path / 'runs')
    name, protocol = reproduce.split_name(page.stem)
    folders = ['--out', str(tmp_path), '--work-dir', str(tmp_path / 'work')]
    reproduce.main([name, '--protocol', protocol, *folders, '--hours', '0'])
    assert rows(tmp_path / page.name) == rows(page)
    assert text(tmp_path / f'{page.stem}.md') == text(page.with_suffix('.md'))
    assert page.with_suffix('.png').is_file()


def test_the_list_of_tables_is_made_of_the_records():
    listed = (RESULTS / 'index.md').read_text()
    tables = load_tables(reproduce.CONFIGS / 'tables.yaml')
    recorded = read_records(RESULTS / 'runs')
    assert listed == reproduce.list_tables(tables, recorded, RESULTS), 'write a table again'


def test_the_comparison_with_nnunet_has_the_figures_of_its_records():
    models, differences = md_tables((RESULTS / 'nnunet.md').read_text())
    classes, images = DrosophilaDataset.METAINFO['classes'], {}
    for row in models:
        file = RESULTS / re.fullmatch(r'\[JSON\]\((.+)\)', row['record'])[1]
        if row['model'].startswith('nnU-Net'):
            content = json.loads(file.read_text())
            areas, seconds = content['images'], content['nnunet']['seconds']
            assert file.stem == f'nnunet_fold{row["fold"]}'
        else:
            record = read_record(file)
            areas, seconds = record.images, record.seconds['training']
            assert (str(record.fold), record.classes) == (row['fold'], [*classes])
        images[row['fold'], row['model'].partition(' 2.')[0]] = areas
        scores = statistics.scores(np.array([*areas.values()]).sum(axis=0), classes)
        assert row['minutes of training'] == f'{seconds / 60:.1f}'
        assert row['mIoU'] == f'{scores["mIoU"]:.1f}'
        assert [row[name] for name in classes] == [f'{scores[f"IoU.{n}"]:.1f}' for n in classes]
    for row in differences:
        ours, theirs = (images[row['fold'], name] for name in (row['model'], 'nnU-Net'))
        expected = compare([ours], [theirs], case=case_rule(SLICE))
        assert row['difference to nnU-Net'] == str(expected)
    assert len(models) == len(differences) + len({row['fold'] for row in models})


def tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of a page, without marks of changed code."""
    return md_tables(text.replace(' \\*', ''))


def test_the_attentions_of_the_readme_are_those_of_their_page():
    (attentions,) = tables(README)
    page = tables((RESULTS / 'attention-small.md').read_text())
    models = {row['model']: row for row in page[0]}
    lines = [row for table in page for row in table]
    runs = {row['model']: row['runs'] for row in lines if row.get('runs', 'not run') != 'not run'}
    difference = {
        row['proposal']: row['difference in percentage points']
        for row in lines
        if 'proposal' in row
    }
    assert len(attentions) == len(runs)
    for row in attentions:
        name = row['attention']
        assert row['folds'] == re.fullmatch(r'folds? (.*), seed 0', runs[name])[1]
        assert row['mIoU'] == models[name]['mean'].partition(' ±')[0]
        assert row['difference to the U-Net without attention'] == difference.get(name, '')


@pytest.mark.parametrize('text', [README, LFA], ids=['readme', 'lfa'])
def test_the_figures_of_a_readme_are_on_the_pages(text):
    pages = [tables(page.read_text()) for page in RESULTS.glob('*.md')]
    rows = [row for page in pages for table in page for row in table]
    known = {cell.partition(' ±')[0] for row in rows for cell in row.values()}
    figures = re.findall(r'\b\d\d\.\d\d\b', text)
    assert len(figures) >= 6
    assert set(figures) <= known


@pytest.mark.parametrize('text', [README, LFA], ids=['readme', 'lfa'])
def test_the_differences_of_a_readme_are_on_the_pages(text):
    pages = ' '.join(page.read_text() for page in RESULTS.glob('*.md'))
    found = re.findall(r'[+-][\d.]+\s+m?IoU\s+\([^)]+\)', text)
    assert len(found) == len(re.findall(r'95\s+%\s+interval', text)) > 8
    for difference in found:
        assert ' '.join(difference.split()) in pages, difference


TRAININGS = {
    '12,000 iterations, rate 0.001': (
        'LFA-UNet, learning rate 0.001, 12,000 iterations',
        'U-Net, learning rate 0.001, 12,000 iterations',
    ),
    '4,000 iterations, rate 0.001': (
        'LFA-UNet, learning rate 0.001',
        'U-Net, learning rate 0.001',
    ),
    '4,000 iterations, rate 0.003': ('LFA-UNet, m = 7', 'U-Net'),
    '4,000 iterations, rate 0.003, m = 3': ('LFA-UNet, m = 3', 'U-Net'),
    'the same, all crops of a slice in the same split': ('LFA-UNet, m = 3', 'U-Net'),
    '4,000 iterations, rate 0.003, m = 5': ('LFA-UNet, m = 5', 'U-Net'),
    '4,000 iterations, rate 0.003, m = 9': ('LFA-UNet, m = 9', 'U-Net'),
    '4,000 iterations, rate 0.003, m = 3, no residual': ('LFA-UNet without residual', 'U-Net'),
    '4,000 iterations, rate 0.003, m = 3, residual from the decoder': (
        'LFA-UNet, residual from the decoder',
        'U-Net',
    ),
    '4,000 iterations, rate 0.001, base width 32, FastRunner': (
        'LFA-UNet, base width 32',
        'U-Net, base width 32',
    ),
    'COVID-19 CT, 2,000 iterations, rate 0.003': ('LFA-UNet, m = 7', 'U-Net'),
    'the same, m = 3': ('LFA-UNet, m = 3', 'U-Net'),
}


def test_the_trainings_of_lfa_unet_are_those_of_their_pages():
    trainings, *_ = tables(LFA)
    assert len(trainings) == len(TRAININGS)
    for row in trainings:
        name, page = re.fullmatch(r'\[(.+)\]\(../../docs/results/(.+)\)', row['training']).groups()
        lines = [line for table in tables((RESULTS / page).read_text()) for line in table]
        names = TRAININGS[name]
        (found,) = (x for x in lines if (x.get('proposal'), x.get('baseline')) == names)
        folds = re.findall(r'(\d): ', found['in each fold'])
        assert row['folds'] == ' to '.join(dict.fromkeys((folds[0], folds[-1])))
        assert row['mIoU'] == found['difference in percentage points']
        assert row['synapse'] == found.get('synapse', '')


def test_what_a_correction_for_common_training_images_leaves():
    """Nadeau and Bengio: a mean over K folds has 1/K + test/train times the variance of one."""
    over_folds = r'([+-][\d.]+)\s+m?IoU\s+\([^)]+,\s+(\S+)\s+to\s+(\S+)\s+over\s+folds\)'
    drosophila, covid19 = (1 + 5 * 64 / 192) ** 0.5, (1 + 4 * 25 / 50) ** 0.5

    def remain(text: str, factor: float) -> list[tuple[str, ...]]:
        return [
            (difference, low, high)
            for difference, low, high in re.findall(over_folds, text)
            if (float(high) - float(low)) / 2 * factor < abs(float(difference))
        ]

    trainings, *_ = tables(LFA)
    named = (
        *('4,000 iterations, rate 0.001]', 'm = 5]', 'm = 9]'),
        *('no residual]', 'from the decoder]'),
    )
    for row in trainings:
        shown = row['training'].partition('(')[0].endswith(named)
        factor = covid19 if 'covid19' in row['training'] else drosophila
        assert len(remain(f'{row["mIoU"]} {row["synapse"]}', factor)) == 2 * shown, row
    (paper,) = (row for row in trainings if '[4,000 iterations, rate 0.001]' in row['training'])
    assert remain(README, drosophila) == re.findall(over_folds, paper['mIoU'])
    (longer,) = (row for row in trainings if '[12,000 iterations, ' in row['training'])
    difference, low, high = map(float, re.findall(over_folds, longer['synapse'])[0])
    (over_cases,) = re.findall(r' to (\S+) over cases', longer['synapse'])
    claimed = 49.06 - 43.35  # of the paper
    assert max(float(over_cases), high) < claimed  # as the README says, and also then:
    assert difference + (high - low) / 2 * drosophila < claimed
