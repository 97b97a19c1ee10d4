"""The drawings in the docs are those that the script draws from today's configs."""

import html
import importlib.util
import re

import pytest

from tests.docs.pages import ROOT

spec = importlib.util.spec_from_file_location('drawings', ROOT / 'docs/drawings.py')
drawings = importlib.util.module_from_spec(spec)
spec.loader.exec_module(drawings)


@pytest.mark.parametrize('model', drawings.DRAWINGS)
def test_the_file_shows_what_the_script_draws(model):
    (axes,) = drawings.draw(model).axes
    drawn = [line for text in axes.texts for line in text.get_text().split('\n')]
    assert len(drawn) > 15
    file = (drawings.OUT / f'{model}.svg').read_text()
    assert [html.unescape(text) for text in re.findall(r'<!-- (.*?) -->', file)] == drawn


def test_no_text_leaves_the_figure():
    for model in drawings.DRAWINGS:
        figure = drawings.draw(model)
        figure.draw_without_rendering()
        for text in figure.axes[0].texts:
            box = text.get_window_extent()
            assert figure.bbox.x0 < box.x0 < box.x1 < figure.bbox.x1, text
            assert figure.bbox.y0 < box.y0 < box.y1 < figure.bbox.y1, text
