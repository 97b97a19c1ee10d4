"""Objects of a class: numbers that can be counted in the picture."""

import csv
from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mmseg_attn.apps.predict import FileContent, ObjectResults, ObjectRules
from mmseg_attn.errors import DataError, UsageError
from tests.libraries import needs_scikit_image

CLASSES = ['background', 'cell body']
PICTURE = """
.........
.##...#..
.##..#...
.........
.####....
.#..#..#.
.####....
"""
MASK = np.array([[c == '#' for c in line] for line in PICTURE.split()])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def areas(**rules) -> list[int]:
    objects = ObjectRules(**rules).label(MASK)
    return np.bincount(objects.ravel())[1:].tolist()


def test_regions_touch_at_corners_and_are_numbered_from_the_top():
    assert areas() == [4, 2, 10, 1]
    objects = ObjectRules().label(MASK)
    assert objects[1, 1] == 1
    assert objects[1, 6] == objects[2, 5] == 2
    assert not objects[~MASK].any()


@pytest.mark.parametrize(
    ('rules', 'expected'),
    [
        (dict(min_size=2), [4, 2, 10]),
        (dict(min_size=11), []),
        (dict(fill_holes=True), [4, 2, 12, 1]),
        (dict(keep_largest=True), [10]),
        (dict(keep_largest=True, min_size=11), []),
        (dict(min_size=12, fill_holes=True), [12]),
    ],
)
def test_rules(rules, expected):
    assert areas(**rules) == expected


def test_no_object():
    assert not ObjectRules(keep_largest=True).label(np.zeros((3, 3), bool)).any()


def results(folder: Path, names=('cell body',), **rules) -> ObjectResults:
    return ObjectResults(folder, classes=CLASSES, names=names, rules=ObjectRules(**rules))


@needs_scikit_image
def test_tables_and_label_image(tmp_path):
    content = FileContent([MASK], pixel_area=0.25)
    results(tmp_path).write(Path('in/x.png'), 'x', content, [MASK.astype(np.uint8)])
    square, diagonal, ring, pixel = table(tmp_path / 'objects.csv')
    assert square == {
        'file': 'in/x.png',
        'slice': '0',
        'class': 'cell body',
        'object': '1',
        'area_pixels': '4',
        'area_mm2': '1',
        'equivalent_diameter_pixels': f'{sqrt(16 / pi):.6g}',
        'equivalent_diameter_mm': f'{sqrt(4 / pi):.6g}',
        'centroid_row': '1.5',
        'centroid_column': '1.5',
        'first_row': '1',
        'first_column': '1',
        'last_row': '2',
        'last_column': '2',
        'eccentricity': '0',
    }
    assert (diagonal['centroid_row'], diagonal['centroid_column']) == ('1.5', '5.5')
    assert (ring['area_pixels'], ring['last_row'], ring['last_column']) == ('10', '6', '4')
    # the axes of a ring of 3x4 are those of the image
    rows = np.array([4] * 4 + [5] * 2 + [6] * 4)
    columns = np.array([1, 2, 3, 4, 1, 4, 1, 2, 3, 4])
    expected = sqrt(1 - rows.var() / columns.var())
    assert float(ring['eccentricity']) == pytest.approx(expected, rel=1e-5)
    assert pixel['area_mm2'] == '0.25'
    (row,) = table(tmp_path / 'objects_per_file.csv')
    assert row == {
        'file': 'in/x.png',
        'class': 'cell body',
        'objects': '4',
        'pixels': '17',
        'mean_pixels': '4.25',
        'median_pixels': '3',
        'area_mm2': '4.25',
    }
    stored = np.asarray(Image.open(tmp_path / 'objects/1_cell-body/x.png'))
    np.testing.assert_array_equal(stored, ObjectRules().label(MASK))


@needs_scikit_image
def test_slices_have_objects_of_their_own(tmp_path):
    empty = np.zeros_like(MASK)
    labels = [MASK.astype('u1'), empty.astype('u1'), MASK.astype('u1')]
    content = FileContent([MASK] * 3)
    results(tmp_path, names=CLASSES, min_size=3).write(Path('x.tif'), 'x', content, labels)
    rows = table(tmp_path / 'objects.csv')
    cells = [(row['slice'], row['object']) for row in rows if row['class'] == 'cell body']
    assert cells == [('0', '1'), ('0', '2'), ('2', '1'), ('2', '2')]
    assert rows[0]['area_mm2'] == rows[0]['equivalent_diameter_mm'] == ''
    with Image.open(tmp_path / 'objects/1_cell-body/x.tif') as image:
        pages = [np.array(page) for page in ImageSequence.Iterator(image)]
    assert [page.max() for page in pages] == [2, 0, 2]


@needs_scikit_image
def test_a_file_without_objects_has_a_row(tmp_path):
    empty = np.zeros_like(MASK)
    results(tmp_path).write(Path('x.png'), 'x', FileContent([empty]), [empty.astype('u1')])
    (row,) = table(tmp_path / 'objects_per_file.csv')
    assert (row['objects'], row['pixels'], row['mean_pixels']) == ('0', '0', '')


@needs_scikit_image
def test_more_objects_than_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr('mmseg_attn.apps.predict.objects.LIMIT', 3)
    few, many = np.eye(7, 9, dtype='u1'), MASK.astype('u1')
    cells = results(tmp_path, names=['cell body', 'background'])
    with pytest.raises(DataError, match=r'^slice 1 has 4 objects of cell body, but label'):
        cells.write(Path('x.png'), 'x', FileContent([MASK] * 2), [few, many])
    written = [row['class'] for row in table(tmp_path / 'objects.csv')]
    assert set(written) == {'background'}  # the other class
    (row,) = table(tmp_path / 'objects_per_file.csv')
    assert (row['class'], int(row['objects'])) == ('background', len(written))


def test_an_unknown_class(tmp_path):
    with pytest.raises(UsageError, match="no class 'nucleus': name one of background, cell body"):
        results(tmp_path, names=['nucleus'])
