"""The pages in docs/results have the figures of the records, and no others."""

import csv
import shutil

import pytest

from mmseg_attn.apps.runs import statistics
from tests.docs.pages import RESULTS
from tools import reproduce

PAGES = sorted(RESULTS.glob('*.csv'))


def rows(file) -> list[list[str]]:
    """Without the last column: whether code was changed since depends on the day."""
    with file.open(newline='') as lines:
        return [row[:-1] for row in csv.reader(lines)]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_a_page_is_made_of_the_records(page, tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, '_RESAMPLES', statistics._CHUNK)  # intervals are not compared
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
    assert listed == reproduce.list_tables(RESULTS, RESULTS / 'runs'), 'write a table again'
