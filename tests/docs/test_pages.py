"""What the pages point to is there."""

import json
import re

import pytest

from tests.docs.pages import PAGES, READMES, ROOT, blocks, name

NAMED = re.compile(r'(?:configs|tools|benchmarks|docs)/[\w./-]+\.(?:py|sh|md|yaml)')
NOTEBOOKS = sorted(ROOT.glob('docs/tutorials/*.ipynb'))


def test_there_are_pages():
    assert len(READMES) > 5
    assert len(PAGES) > len(READMES) + 10
    assert len(NOTEBOOKS) == 2


@pytest.mark.parametrize('page', [*PAGES, *NOTEBOOKS], ids=name)
def test_links_images_and_named_files_exist(page):
    text = page.read_text()
    if page in NOTEBOOKS:
        text = '\n'.join(''.join(cell['source']) for cell in json.loads(text)['cells'])
    targets = re.findall(r'\]\(([^)\s]+)\)', text)
    local = [target.partition('#')[0] for target in targets if '://' not in target]
    missing = [target for target in local if target and not (page.parent / target).exists()]
    made = {block.code.split()[1] for block in blocks(page, 'python') if block.code[0] == '#'}
    missing += [f for f in NAMED.findall(text) if not (ROOT / f).exists() and f not in made]
    assert missing == []


@pytest.mark.parametrize('page', READMES, ids=lambda page: page.parent.name)
def test_every_algorithm_tells_what_a_user_needs(page):
    headings = re.findall(r'^## (.*)$', page.read_text(), re.M)
    wanted = ['In short', 'Commands', 'Reported by', 'Deviations and decisions', 'Citation']
    if 'Our small runs' in headings:
        wanted.insert(3, 'Our small runs')
    assert all(a.startswith(b) for a, b in zip(headings, wanted, strict=True)), headings


def test_every_package_stands_in_the_api():
    packages = {f'mmseg_attn.{p.parent.name}' for p in ROOT.glob('mmseg_attn/*/__init__.py')}
    assert packages == set(
        re.findall(r'^   (mmseg_attn\.\w+)$', (ROOT / 'docs/api.rst').read_text(), re.M)
    )
