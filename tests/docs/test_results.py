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
from tests.docs.pages import RESULTS, ROOT
from tests.tables import md_tables
from tools import reproduce

PAGES = sorted(RESULTS.glob('*.csv'))
README = (ROOT / 'README.md').read_text().split('\n## Results\n')[1].split('\n## ')[0]


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


def test_the_comparison_with_nnunet_has_the_figures_of_its_record():
    content = json.loads((RESULTS / 'nnunet_fold0.json').read_text())
    page = (RESULTS / 'nnunet.md').read_text()
    theirs = content['images']
    names = [row['name'] for row in content['tables'][0]['rows']]
    ours = {name: read_record(RESULTS / f'runs/{name}.json') for name in names[1:]}
    classes = next(iter(ours.values())).classes
    images = [theirs, *(record.images for record in ours.values())]
    minutes = [content['nnunet']['seconds'], *(r.seconds['training'] for r in ours.values())]
    for areas, seconds in zip(images, minutes, strict=True):
        found = statistics.scores(np.array([*areas.values()]).sum(axis=0), classes)
        cells = [found['mIoU'], *(found[f'IoU.{name}'] for name in classes)]
        line = ' | '.join(f'{cell:.1f}' for cell in cells)
        (row,) = [x for x in page.splitlines() if line in x]
        assert f'| {seconds / 60:.1f} |' in row
    for record in ours.values():
        assert str(compare([record.images], [theirs], case=case_rule(SLICE))) in page


def tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of a page, without marks of changed code."""
    return md_tables(text.replace(' \\*', ''))


def of_page(page: str, **columns: str) -> dict[str, dict[str, str]]:
    """Columns of the first table of a page, without deviations, and the folds of each model."""
    content = tables((RESULTS / f'{page}.md').read_text())
    runs = {row['model']: row['runs'] for table in content for row in table if 'runs' in row}
    return {
        row['model']: dict(folds=re.fullmatch(r'folds? (.*), seed 0', runs[row['model']])[1])
        | {name: row[column].partition(' ±')[0] for name, column in columns.items()}
        for row in content[0]
        if row['model'] in runs and runs[row['model']] != 'not run'
    }


def test_the_attentions_of_the_readme_are_those_of_their_page():
    attentions, _ = tables(README)
    page = (RESULTS / 'attention-small.md').read_text()
    difference = {
        row['proposal']: row['difference in percentage points']
        for table in tables(page)
        for row in table
        if 'proposal' in row
    }
    figures = of_page('attention-small', mIoU='mean')
    assert len(attentions) == len(figures)
    for row in attentions:
        name = row['attention']
        assert {key: row[key] for key in ('folds', 'mIoU')} == figures[name]
        assert row['difference to the U-Net without attention'] == difference.get(name, '')


def test_the_models_of_the_readme_are_those_of_their_page():
    _, models = tables(README)
    figures = of_page(
        'drosophila-small',
        **{'mIoU': 'mean, measured here', 'synapse IoU': 'synapse, measured here'},
        **{'mIoU, paper': 'mean, reported by the paper'},
        **{'synapse IoU, paper': 'synapse, reported by the paper'},
    )
    assert len(models) > 8
    for row in models:
        assert row == dict(model=row['model']) | figures[row['model']]


def test_the_differences_of_the_readme_are_on_the_pages():
    pages = ' '.join(page.read_text() for page in RESULTS.glob('*.md'))
    found = re.findall(r'[+-][\d.]+\s+m?IoU\s+\([^)]+\)', README)
    assert len(found) == len(re.findall(r'95\s%\sinterval', README)) > 8
    for text in found:
        assert ' '.join(text.split()) in pages, text
