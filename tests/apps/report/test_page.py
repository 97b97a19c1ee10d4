"""The page as text; how it looks is looked at in a browser."""

import re

import pytest

from mmseg_attn.apps.report import render
from mmseg_attn.apps.report.images import cases
from tests.apps.report.fakes import make_evaluation, make_result
from tests.apps.report.html import Page
from tests.apps.report.test_images import decoded


def page(*groups, images: int = 1) -> Page:
    return Page(render(groups, images=images))


def headings(html: Page) -> list[str]:
    return re.findall(
        r'(Scores|Best, median and worst images|Training|Confusion|All measures|Cost|Setup) ',
        html.text,
    )


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """The page of one run, as text."""
    group = make_result(tmp_path_factory.mktemp('one'), 'x', 1)
    return render([group], images=1)


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp('compared')
    return page(make_result(folder, 'unet', 0, 1), make_result(folder, '<lfa>', 2))


def test_nothing_comes_from_elsewhere(one):
    html = Page(one)
    assert not html.all('script')
    assert {element['src'][:22] for element in html.all('img')} == {'data:image/png;base64,'}
    assert [element['href'] for element in html.all('link')] == ['data:,']
    (policy,) = [element for element in html.all('meta') if 'http-equiv' in element]
    assert policy['content'].startswith("default-src 'none'")
    assert not re.search(r'https?://|url\(|@import', one)


def test_every_picture_can_be_decoded_and_is_told_in_words(compared):
    images = compared.all('img')
    assert len(images) >= 3 * 6 + 3
    for image in images:
        decoded(image['src']).load()
        assert len(image['alt']) > 5
    assert len({element['alt'] for element in images}) == len(images)


def test_tables_have_headers(compared):
    tables, heads = compared.all('table'), compared.all('th')
    assert len(tables) > 4
    assert {cell['scope'] for cell in heads} == {'row', 'col'}
    assert compared.all('html') == [dict(lang='en')]
    rows = compared.elements.count(('tr', {})) + compared.elements.count(('tr', {'class': 'mean'}))
    assert sum(cell['scope'] == 'row' for cell in heads) == rows - len(tables)


def test_names_are_text_and_never_html(compared):
    assert '<lfa>' in compared.text
    assert 'wall & <b>' in compared.text
    assert '<0>.png' in compared.text
    assert not {'b', 'lfa', '0'} & {name for name, _ in compared.elements}


def test_all_parts_of_one_run(one):
    html = Page(one)
    assert headings(html) == [
        'Scores',
        'Best, median and worst images',
        'Training',
        'Confusion',
        'Cost',
        'Setup',
    ]
    for text in (
        '67.6 %',
        'mean IoU',
        'test set, 4 images',
        'python tools/train.py',
        'PyTorch 2.13.0',
    ):
        assert text in html.text
    assert '±' not in html.text
    assert 'Calibration' not in html.text  # there are no probabilities


def test_several_runs_have_mean_and_deviation(compared):
    for text in ('unet (2 runs)', '±', 'unet0', 'unet1', 'unet and <lfa> '):
        assert text in compared.text


def test_a_run_of_which_the_log_alone_is_left(bare):
    html = page(bare('x'))
    assert headings(html) == ['Training', 'Cost', 'Setup']
    assert 'x holds no config' in html.text


def test_a_run_that_is_not_complete_says_so_before_anything_is_read(result):
    groups = [result('x', 1, 0), result('y', 1)]
    for result_of_run in [run for group in groups for run in group.results]:
        result_of_run.run.cfg.train_cfg.max_iters = 100
    groups[0].results[1].run.cfg.train_cfg.max_iters = 600
    html = page(*groups)
    text = 'x x1 ended after 100 of 600 iterations (interrupted, or still running).'
    assert html.text.count('ended after') == 1
    assert html.text.index(text) < html.text.index('Scores ')
    groups[1].results[0].run.cfg.train_cfg.max_iters = 200
    assert ' The training ended after 100 of 200 iterations ' in page(groups[1]).text


def test_the_folder_stands_below_a_title_that_is_not_its_name(result):
    one, other = result('x', 1), result('y', 1)
    assert 'Folder' not in page(one).text
    one.group.folder = '20240102_030405'
    assert 'x Folder: 20240102_030405 ' in page(one).text
    other.group.folder = '1'
    assert 'x and y Folders: x: 20240102_030405; y: 1 ' in page(one, other).text


def test_means_alone_are_told_but_no_table_of_classes(bare):
    groups = [bare('x'), bare('y')]
    for group, value in zip(groups, (50.0, 60.0), strict=True):
        group.results[0].metrics, group.results[0].source = {'mIoU': value}, 'test set'
    html = page(groups[0])
    assert headings(html) == ['Training', 'Cost', 'Setup']
    assert '50.0 % ' in html.text
    assert 'mean IoU 50.00 60.00 ' in page(*groups).text


@pytest.mark.parametrize(
    ('names', 'title'),
    [('a', 'a'), ('ab', 'a and b'), ('abc', 'a, b and c'), ('abcd', '4 models compared')],
)
def test_titles(bare, names, title):
    assert f'{title}: report ' in page(*map(bare, names)).text


def test_one_with_and_one_without_predictions(result, bare):
    html = page(result('x', 1), bare('y'))
    assert 'y holds no config' in html.text
    assert 'class x wall & <b> ' in html.text  # whose scores they are
    assert headings(html)[:3] == ['Scores', 'Best, median and worst images', 'Training']


def test_no_pictures_if_none_are_wanted(result):
    html = page(result('x', 1), images=0)
    assert 'Best, median and worst images' not in headings(html)


def test_best_median_and_worst(result):
    # the border is shifted by the number of the image: 0 is right, 3 is the worst
    drawn = cases([result('x', 1)], 1)
    assert [(case.kind, case.name) for case in drawn] == [
        ('best', '<0>.png'),
        ('median', '<2>.png'),
        ('worst', '<3>.png'),
    ]
    assert drawn[0].score == 100
    # walls 4 of 7 columns, cells 1 of 4
    assert drawn[2].score == pytest.approx(50 * (4 / 7 + 1 / 4))
    assert drawn[2].predictions[0][1].caption == 'errors, 37.5\xa0%'
    assert [name for name, _ in drawn[2].legend] == ['wall & <b>', 'cell', 'error']


def test_models_are_compared_on_the_same_images_by_their_mean(result):
    best, _, worst = cases([result('x', 0), result('y', 1)], 1)
    assert best.name == '<0>.png'
    assert worst.score == pytest.approx((100 + 50 * (4 / 7 + 1 / 4)) / 2)
    captions = [panel.caption for pair in worst.predictions for panel in pair]
    assert captions == [
        'x: prediction, IoU 100.0\xa0%',
        'x: errors, 0.0\xa0%',
        'y: prediction, IoU 41.1\xa0%',
        'y: errors, 37.5\xa0%',
    ]


def test_models_without_an_image_in_common(result):
    one, other = result('x', 0), result('y', 1)
    other.results[0].evaluation = make_evaluation(1, first=10)
    assert {len(case.predictions) for case in cases([one, other], 1)} == {1}


def test_models_of_other_classes_are_not_compared_by_pictures(result):
    one, other = result('x', 0), result('y', 1)
    other.results[0].evaluation.classes = ['cell', 'wall']
    assert {len(case.predictions) for case in cases([one, other], 1)} == {1}


def test_of_several_seeds_the_first_is_shown(result):
    *_, worst = cases([result('x', 0, 1)], 1)
    assert [panel.caption for panel in worst.predictions[0]] == [
        'x0: prediction',
        'x0: errors, 0.0\xa0%',
    ]


def test_folds_show_the_fold_that_predicted_an_image(result):
    folds = result('x', 0, 1)
    folds.results[1].evaluation = make_evaluation(1, first=10)
    *_, worst = cases([folds], 1)
    assert worst.name == '<13>.png'
    assert worst.predictions[0][0].caption == 'x1: prediction'
