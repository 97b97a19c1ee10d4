"""The page in a browser: nothing is broken, nothing is asked of the network, a phone shows all."""

import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from mmseg_attn.apps.report import render
from tests.apps.report.fakes import make_result
from tests.processes import HANG

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
QUIET = [
    *['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    *['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    *['--hide-scrollbars', '--virtual-time-budget=10000', '--enable-logging=stderr'],
    '--host-resolver-rules=MAP * ~NOTFOUND',  # the browser itself asks for updates
]
PHONE, DESK = 390, 1280  # no window is as narrow as a phone, but a frame in it can be
POLICY = re.compile(r'<meta http-equiv[^>]*>')
# What a page tells of itself; the policy of the page allows no script, so a copy without is asked.
PROBE = """<script>addEventListener('load', () => {
  const layout = {
    images: [...document.images].map(i => [i.naturalWidth, i.naturalHeight]),
    window: innerWidth,
    page: document.documentElement.scrollWidth,
    cut: [...document.querySelectorAll('.commands')].some(e => e.scrollWidth > e.clientWidth),
    beside: [...document.querySelectorAll('body *')].filter(e =>
      !e.closest('.scroll, details') && e.getBoundingClientRect().right > innerWidth + 1
    ).map(e => e.tagName),
  };
  parent.postMessage(JSON.stringify(layout), '*');
})</script>"""
FRAME = """<!doctype html><body style="margin:0">
<script>addEventListener('message', e => { document.body.dataset.layout = e.data; })</script>
<iframe src="copy.html" style="border:0;width:{width}px;height:3000px"></iframe>"""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason='needs chromium, the browser')


@pytest.fixture
def browse(tmp_path):
    """Open a page; returns what was printed, its console, and what the page asked for."""

    def browse(page: Path, *flags: str) -> tuple[str, str, list[str]]:
        profile, log = tmp_path / 'profile', tmp_path / 'requests.json'
        shutil.rmtree(profile, ignore_errors=True)
        flags = (*flags, f'--user-data-dir={profile}', f'--log-net-log={log}')
        done = subprocess.run(
            [CHROMIUM, *QUIET, f'--window-size={DESK},3000', *flags, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        assert done.returncode == 0, done.stderr
        events = [event.get('params', {}) for event in json.loads(log.read_text())['events']]
        by_page = [event['url'] for event in events if event.get('initiator') == 'null']
        return done.stdout, done.stderr, by_page

    return browse


@pytest.fixture(scope='module')
def text(tmp_path_factory):
    make = partial(make_result, tmp_path_factory.mktemp('runs'))
    groups = [make('unet', 0, 1), make('<lfa>', 2), make('third', 1)]
    return render(groups, images=1)


@pytest.fixture
def page(text, tmp_path):
    file = tmp_path / 'report.html'
    file.write_text(text, encoding='utf-8')
    return file


def test_no_error_and_no_request(page, browse, tmp_path):
    screenshot = tmp_path / 'page.png'
    _, console, asked = browse(page, f'--screenshot={screenshot}')
    assert [line for line in console.splitlines() if 'CONSOLE' in line] == []
    assert asked == []
    with Image.open(screenshot) as image:
        assert image.width == DESK
        assert len(image.convert('L').getcolors()) > 50  # an empty page has one


@pytest.mark.parametrize('width', [DESK, PHONE])
def test_no_broken_picture_and_nothing_beside_the_window(text, browse, tmp_path, width):
    (tmp_path / 'copy.html').write_text(POLICY.sub(PROBE, text), encoding='utf-8')
    frame = tmp_path / 'frame.html'
    frame.write_text(FRAME.replace('{width}', str(width)))
    dumped, *_ = browse(frame, '--dump-dom')
    layout = json.loads(re.search(r'data-layout="([^"]*)"', dumped)[1].replace('&quot;', '"'))
    assert len(layout['images']) == text.count('<img ') > 20
    assert all(min(size) > 100 for size in layout['images'])
    assert layout['window'] == layout['page'] == width
    assert layout['beside'] == []
    assert not layout['cut']


def test_errors_and_requests_would_be_seen(text, page, browse):
    bad = '<img src="http://elsewhere.invalid/x.png"><script>1</script></main>'
    page.write_text(text.replace('</main>', bad), encoding='utf-8')
    _, console, asked = browse(page, '--dump-dom')
    assert 'CONSOLE' in console
    assert 'Content Security Policy' in console
    assert asked == []  # the policy keeps the page from it
    page.write_text(POLICY.sub('', text).replace('</main>', bad), encoding='utf-8')
    *_, asked = browse(page, '--dump-dom')
    assert asked == ['http://elsewhere.invalid/x.png']
