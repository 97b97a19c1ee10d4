"""Diagrams and errors of models on tables by hand."""

import numpy as np
import pytest

from mmseg_attn.apps.report.reliability import diagrams, errors
from tests.apps.report.test_images import decoded

PIXELS = np.array([100.0, 29, 0, 50])


def tables(*fractions: float) -> np.ndarray:
    """Four bins with the probabilities 0.2, 0.3, none and 0.9; the fractions are those of them.

    The same tables for the predicted class and for both classes, so (3, 3, 4).
    """
    right = np.array([fractions[0], fractions[1], 0, fractions[2]]) * PIXELS
    return np.stack([np.stack([PIXELS, right, PIXELS * [0.2, 0.3, 0, 0.9]])] * 3)


def expected(*fractions: float) -> str:
    gaps = [abs(a - b) for a, b in zip(fractions, (0.2, 0.3, 0.9), strict=True)]
    return f'{np.dot([100, 29, 50], gaps) / 179:.4f}'


@pytest.fixture
def measured(result):
    """Return a group of runs with tables."""

    def measured(name: str, *runs: dict[float, np.ndarray]):
        group = result(name, *range(len(runs)))
        for evaluation, by_temperature in zip(group.evaluations, runs, strict=True):
            evaluation.reliability = by_temperature
        return group

    return measured


def cells(*groups) -> list[list[str]]:
    table = errors(groups)
    return [table.header, *([row.name, *(cell.text for cell in row.cells)] for row in table.rows)]


def test_a_model_alone(measured):
    group = measured('x', {1: tables(0.1, 0.5, 0.8)})
    error = expected(0.1, 0.5, 0.8)
    assert cells(group) == [
        ['probability of', 'x'],
        ['the predicted class', error],
        ['wall & <b>', error],
        ['cell', error],
    ]
    (image,) = diagrams([group])  # the first of two classes mirrors the second
    # the bin of 29 pixels is left out
    assert image.alt == (
        'Reliability of cell: probability→pixels of the class, in percent. x: 20→10, 90→80.'
    )
    assert decoded(image.uri).size[0] > 400


def test_a_temperature_is_compared_with_none(measured):
    group = measured('x', {1: tables(0.1, 0.5, 0.8), 2.5: tables(0.3, 0.3, 0.9)})
    header, row, *_ = cells(group)
    assert header[1:] == ['no temperature', 'temperature 2.5']
    assert row[1:] == [expected(0.1, 0.5, 0.8), expected(0.3, 0.3, 0.9)]
    (image,) = diagrams([group])
    assert '. no temperature: 20→10, 90→80; temperature 2.5: 20→30, 90→90.' in image.alt


def test_runs_are_summed_and_groups_are_compared(measured):
    runs = measured('x', {1: tables(0, 0, 0), 2: tables(0.1, 0.1, 0.1)}, {1: tables(1, 1, 1)})
    header, row, *_ = cells(runs)
    assert header[1:] == ['no temperature', 'temperature of each run']
    assert row[1:] == [expected(0.5, 0.5, 0.5), expected(0.55, 0.55, 0.55)]
    other = measured('y', {1: tables(0.1, 0.5, 0.8)})
    header, row, *_ = cells(runs, other)
    assert header[1:] == ['x (2 runs), temperature of each run', 'y']
    assert row[1:] == [expected(0.55, 0.55, 0.55), expected(0.1, 0.5, 0.8)]


def test_what_has_no_probabilities_or_other_classes_is_left_out(measured, bare):
    one, empty = measured('x', {1: tables(0.1, 0.5, 0.8)}), measured('y', {})
    unlabeled, other = measured('z', {1: 0 * tables(0, 0, 0)}), measured('w', {1: tables(0, 0, 0)})
    other.evaluations[0].classes = ['a', 'b']
    assert cells(bare('v'), one, empty, unlabeled, other)[0][1:] == ['x']
    assert diagrams([bare('u'), empty, unlabeled]) == []


def test_three_classes_have_three_diagrams(measured):
    group = measured('x', {1: np.concatenate([tables(0, 0, 0), tables(0, 0, 0)[:1]])})
    group.evaluations[0].classes = ['a', 'b', 'c']
    assert [image.alt.split(':')[0] for image in diagrams([group])] == [
        f'Reliability of {name}' for name in 'abc'
    ]
