"""What the Markdown files point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
READMES = sorted(ROOT.glob('configs/*/README.md'))
PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md')), *READMES]
NAMED = re.compile(r'(?:configs|tools|benchmarks|docs)/[\w./-]+\.(?:py|sh|md|yaml)')


def test_there_are_pages():
    assert len(READMES) > 5
    assert len(PAGES) > len(READMES) + 1


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_images_and_named_files_exist(page):
    text = page.read_text()
    targets = re.findall(r'\]\(([^)\s]+)\)', text)
    local = [target.partition('#')[0] for target in targets if '://' not in target]
    missing = [target for target in local if target and not (page.parent / target).exists()]
    missing += [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize('page', READMES, ids=lambda page: page.parent.name)
def test_every_algorithm_tells_what_a_user_needs(page):
    headings = re.findall(r'^## (.*)$', page.read_text(), re.M)
    wanted = ['In short', 'Commands', 'Reported by', 'Deviations and decisions', 'Citation']
    assert all(a.startswith(b) for a, b in zip(headings, wanted, strict=True)), headings
