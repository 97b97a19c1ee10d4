from pathlib import Path

import numpy as np

from mmseg_attn.apps.report.evaluation import RunResult, areas_of, confusions, on_one_set
from mmseg_attn.apps.report.images import choose
from mmseg_attn.apps.runs import Run

# true cell: 6 right, 2 taken for wall; true wall: 1 taken for cell, 3 right; no third class
COUNTS = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
CLASSES = ['cell', 'wall', 'third']


def test_areas_of_a_confusion_matrix():
    assert areas_of(COUNTS).tolist() == [[6, 3, 0], [7, 5, 0], [8, 4, 0]]


def test_best_median_and_worst():
    scores = dict(a=10.0, b=50.0, c=30.0, d=20.0, e=40.0, f=float('nan'))
    assert choose(scores, 1) == dict(best=['b'], median=['c'], worst=['a'])
    assert choose(scores, 2) == dict(best=['b', 'e'], median=['c'], worst=['d', 'a'])
    assert choose(scores, 0) == dict(best=[], median=[], worst=[])


def test_the_median_of_an_even_number_is_the_lower_one():
    scores = {name: float(value) for value, name in enumerate('abcdef')}
    assert choose(scores, 1)['median'] == ['c']  # of a to f, c has 2 and d has 3


def test_images_are_chosen_once_and_equal_ones_by_name():
    assert choose(dict(b=1.0, a=1.0), 1) == dict(best=['a'], median=[], worst=['b'])
    assert choose(dict(a=1.0), 3) == dict(best=['a'], median=[], worst=[])


def test_the_largest_confusions_first():
    counts = np.array([[90, 10, 0], [30, 70, 0], [0, 1, 199]])
    assert confusions(counts, CLASSES, 5) == [('wall', 'cell', 30.0), ('cell', 'wall', 10.0)]
    assert confusions(counts, CLASSES, 1) == [('wall', 'cell', 30.0)]


def test_a_validation_does_not_count_beside_tests():
    run = Run(Path('a'), 'a', [], None, None)
    tested = RunResult(run, dict(mIoU=40.0), 'test set, from the log of the test')
    validated = RunResult(
        run, dict(mIoU=60.0), 'validation at epoch 3, from the log', missing='no x'
    )
    nothing = RunResult(run, missing='no y')
    assert on_one_set([validated, nothing]) == [validated, nothing]
    assert on_one_set([tested, validated, nothing]) == [
        tested,
        RunResult(run, missing='no x; its validation is not among the scores of the tests'),
        nothing,
    ]
