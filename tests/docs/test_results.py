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
from tools import reproduce

PAGES = sorted(RESULTS.glob('*.csv'))
README = (ROOT / 'README.md').read_text().split('\n## Results\n')[1].split('\n## ')[0]


def rows(file) -> list[list[str]]:
    """Without the last column: whether code was changed since depends on the day."""
    with file.open(newline='') as lines:
        return [row[:-1] for row in csv.reader(lines)]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_a_page_is_made_of_the_records(page, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, '_RESAMPLES', comparison._CHUNK)  # intervals are not compared
    monkeypatch.setattr(reproduce, 'list_tables', lambda *args: '')  # see below
    shutil.copytree(RESULTS / 'runs', tmp_path / 'runs')
    table, protocol = reproduce.split_name(page.stem)
    folders = ['--out', str(tmp_path), '--work-dir', str(tmp_path / 'work')]
    reproduce.main([table, '--protocol', protocol, *folders, '--hours', '0'])
    assert rows(tmp_path / page.name) == rows(page)
    for suffix in ('.md', '.png'):
        assert page.with_suffix(suffix).is_file()


def test_the_list_of_tables_is_made_of_the_records():
    listed = (RESULTS / 'index.md').read_text()
    tables, recorded = (
        load_tables(reproduce.CONFIGS / 'tables.yaml'),
        read_records(RESULTS / 'runs'),
    )
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


@pytest.mark.parametrize('page', ['attention-small', 'drosophila-small'])
def test_the_rows_of_the_readme_are_those_of_the_page(page):
    lines = (RESULTS / f'{page}.md').read_text().splitlines()
    after = README.partition(f'({(RESULTS / page).relative_to(ROOT).as_posix()}.md)')[2]
    table = re.search(r'(\|.*\n)+', after)[0].splitlines()[2:]
    assert len(table) > 5
    for row in table:
        name, folds, *cells = row.strip('| ').split(' | ')
        of_name = [line for line in lines if re.match(rf'\| {re.escape(name)}(?= [|\\])', line)]
        for cell in [f' {folds}, seed 0 |', *cells]:
            assert any(cell in line for line in of_name), (name, cell)


def test_the_differences_of_the_readme_are_those_of_the_pages():
    pages = ' '.join(page.read_text() for page in RESULTS.glob('*.md'))
    found = re.findall(r'[+-]?[\d.]+\s+m?IoU\s+\([^)]+\)', README)
    assert len(found) == README.count('95 % interval') > 8
    for text in found:
        assert ' '.join(text.split()) in pages, text
