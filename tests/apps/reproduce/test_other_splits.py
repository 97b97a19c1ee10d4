"""Rows of two tables that test the same images after trainings on other splits."""

import pytest

from mmseg_attn.apps.reproduce import PaperRow, PaperTable, Plan, compare_splits, markdown
from mmseg_attn.apps.reproduce.rows import RowResult
from mmseg_attn.apps.reproduce.tables import Column
from tests.apps.runs.records import make_record


def make_table(name: str, rows: list[str]) -> PaperTable:
    return PaperTable(
        name=name,
        title=name.title(),
        split='test',
        checkpoint='best',
        columns=(Column(name='mean', metric='mIoU'),),
        rows=tuple(PaperRow(name=row, config='x') for row in rows),
        folds=2,
        claimed='cell',
    )


def make_row(name: str, *folds: dict[str, int], seed: int = 0) -> RowResult:
    """Test each fold on images with one class of 100 pixels, of which as many are found."""
    records = []
    for fold, found in enumerate(folds):
        images = {image: [[value], [value], [100]] for image, value in found.items()}
        records.append(make_record(classes=['cell'], images=images, fold=fold, seed=seed))
    return RowResult(Plan(PaperRow(name=name, config='x')), records, [])


@pytest.fixture
def crops() -> list[RowResult]:
    return [
        make_row('U-Net', {'a': 80, 'b': 90}, {'c': 70, 'd': 60}),
        make_row('LFA', {'a': 50, 'b': 50}, {'c': 50, 'd': 50}),
    ]


def section(here: list[RowResult], there: list[RowResult]) -> str:
    tables = [make_table(name, ['U-Net', 'LFA']) for name in ('slices', 'crops')]
    return compare_splits(tables[0], here, tables[1], there)


def test_all_images_count_once_whatever_their_fold(crops):
    # the same images in other folds, each with 5 found pixels fewer; means: 75 and 70
    slices = [make_row('U-Net', {'a': 75, 'd': 55}, {'b': 85, 'c': 65})]
    text = section(slices, crops)
    assert text.startswith('## Other splits\n\nOver all folds, this table and [Crops](crops.md)')
    words = '(no interval of fewer than 6 cases)'
    cells = f'no difference shown: +5.0 mIoU {words} | no difference shown: +5.0 IoU {words}'
    assert text.splitlines()[-1] == f'| U-Net | 75.00 | 70.00 | {cells} | 0.12 | 4 |'
    assert 'LFA' not in text  # was not run on these splits


def test_seeds_are_averaged_and_need_all_folds(crops):
    both = make_row('U-Net', {'a': 75, 'd': 55}, {'b': 85, 'c': 65})
    both.records.extend(make_row('U-Net', {'a': 85, 'd': 65}, {'b': 95, 'c': 75}, seed=1).records)
    both.records.extend(make_row('U-Net', {'a': 1, 'd': 1}, seed=2).records)
    assert '| U-Net | 75.00 | 75.00 | no difference shown: +0.0 mIoU' in section([both], crops)


@pytest.mark.parametrize('folds', [[{'a': 75, 'd': 55}], [{'a': 75, 'd': 55}, {'b': 85, 'x': 65}]])
def test_missing_folds_and_other_images_are_not_compared(crops, folds):
    assert section([make_row('U-Net', *folds)], crops) == ''


def test_the_section_is_part_of_the_page(crops):
    table = make_table('slices', ['U-Net'])
    text = markdown(
        table, crops, command='x', image='x', records='runs', other_splits='## Other splits\n\nX'
    )
    assert '\n\n## Other splits\n\nX\n\n## Rows\n\n' in text
