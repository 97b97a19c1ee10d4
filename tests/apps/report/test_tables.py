import statistics

import numpy as np
import pytest

from mmseg_attn.apps.report import GroupResult, RunResult, tables
from mmseg_attn.apps.report.tables import NONE
from mmseg_attn.apps.runs import Group, Run, case_rule
from tests.apps.report.fakes import make_evaluation

CLASSES = ['a', 'b']


@pytest.fixture
def group(tmp_path):
    """Make a group with the IoU of two classes in each run."""

    def group(name: str, *ious: tuple[float | None, float | None]) -> GroupResult:
        results = []
        for number, values in enumerate(ious):
            of_classes = dict(zip(CLASSES, values, strict=True))
            metrics = {f'IoU.{k}': v for k, v in of_classes.items() if v is not None}
            metrics['mIoU'] = statistics.mean(metrics.values())
            one = Run(tmp_path / f'{name}{number}', f'run{number}', [], None, None)
            results.append(RunResult(one, metrics, 'test set'))
        return GroupResult(Group(name, [result.run for result in results]), results)

    return group


def texts(table) -> dict[str, list[str]]:
    return {row.name: [cell.text for cell in row.cells] for row in table.rows}


def test_mean_and_deviation_of_runs(group):
    table = tables.compared(
        [group('unet', (50.0, 80.0), (52.0, 81.0), (57.0, 82.0)), group('lfa', (60.0, 70.0))]
    )
    assert table.header == ['class', 'unet (3 runs)', 'lfa']
    assert texts(table) == {
        'a': ['53.00 ± 3.61', '60.00'],  # deviations -3, -1, 4: sqrt(26 / 2)
        'b': ['81.00 ± 1.00', '70.00'],
        'mean IoU': ['67.00 ± 2.29', '65.00'],  # 65, 66.5, 69.5: sqrt((4 + 0.25 + 6.25) / 2)
    }
    assert '± standard deviation' in table.caption


def test_the_best_of_a_row_is_marked(group):
    table = tables.compared([group('x', (50.0, 80.0)), group('y', (60.0, 80.0))])
    assert [[cell.best for cell in row.cells] for row in table.rows] == [
        [False, True],
        [False, False],  # both are the same
        [False, True],
    ]
    assert '±' not in table.caption


def bold(table) -> bool:
    return any(cell.best for row in table.rows for cell in row.cells)


def with_images(result, name: str, *firsts: int) -> GroupResult:
    """A group whose runs were measured on four images each, from the named one on."""
    group = result(name, *range(1, len(firsts) + 1))
    for run, first in zip(group.results, firsts, strict=True):
        run.evaluation = make_evaluation(1, first)
        run.metrics = run.evaluation.metrics
    return group


def test_seeds_and_folds_are_no_contest(result):
    seeds, folds = with_images(result, 'seeds', 0, 0), with_images(result, 'folds', 0, 4)
    folds.results[0].metrics['mIoU'] = 99.0
    table = tables.compared([seeds, folds])
    assert table.caption.endswith(
        '. seeds has 2 runs on one set of images; folds has 2 runs on 2 sets of images. The images '
        'or runs differ, so the best score is not marked.'
    )
    assert not bold(table)


def test_folds_of_the_same_images_are_compared(result):
    one, other = with_images(result, 'one', 0, 4), with_images(result, 'other', 4, 0)
    other.results[0].metrics['mIoU'] = 99.0
    table = tables.compared([one, other])
    assert table.caption.endswith('The best value is bold.')
    assert bold(table)


@pytest.mark.parametrize('firsts', [(0,), (4, 4)], ids=['fewer runs', 'other images'])
def test_other_numbers_of_runs_and_other_images_are_no_contest(result, firsts):
    one, other = with_images(result, 'one', 0, 0), with_images(result, 'other', *firsts)
    other.results[0].metrics['mIoU'] = 99.0
    assert not bold(tables.compared([one, other]))


def test_scores_from_logs_are_compared_where_they_are_of_one_set(group):
    one, other = group('x', (50.0, 80.0)), group('y', (60.0, 90.0))
    assert bold(tables.compared([one, other]))
    other.results[0].source = 'validation at epoch 3, from the log'
    assert not bold(tables.compared([one, other]))


def test_classes_that_are_not_defined(group):
    table = tables.compared([group('x', (None, 80.0)), group('y', (60.0, 70.0), (None, 71.0))])
    assert texts(table)['a'] == [NONE, '60.00']
    (row,) = [row for row in table.rows if row.name == 'a']
    assert [cell.best for cell in row.cells] == [False, False]


def test_groups_are_compared_in_pairs_on_the_same_images(result):
    """Walls are the first 1 to 4 of 8 columns, 5 rows; the second model finds them exactly."""
    one, other, alone = result('one', 1), result('other', 0), with_images(result, 'alone', 7)
    table = tables.paired([one, other, alone])
    assert [row.name for row in table.rows] == ['other against one']
    text, *others = (cell.text for cell in table.rows[0].cells)
    # 100 and 67.61
    assert text == 'no difference shown: +32.4 mIoU (no interval of fewer than 6 cases)'
    # images without a difference do not count; of three with one, 2 of 8 orders of signs
    assert others == ['+32.4', '0.25', '4', '4']


def test_the_case_of_an_image_is_in_its_path_below_the_common_folder(result):
    """The images are /data/<0>.png to /data/<3>.png; all of two cases differ."""
    names = []

    def case(name: str) -> str:
        names.append(name)
        return str(int(name[1]) // 2)

    table = tables.paired([result('one', 1), result('other', 0)], case)
    assert [cell.text for cell in table.rows[0].cells][1:] == ['+32.4', '0.5', '4', '2']
    assert names == [f'<{i}>.png' for i in range(4)]


def test_a_pattern_that_does_not_match_is_named_in_the_page(result):
    table = tables.paired([result('one', 1), result('other', 0)], case_rule('patient'))
    text, *others = (cell.text for cell in table.rows[0].cells)
    assert text == '--case-pattern patient does not match the name <0>.png: correct it'
    assert not any(others)


def test_groups_with_other_classes_or_without_predictions_are_no_pair(result, group):
    one, other = result('one', 1), result('other', 0)
    other.results[0].evaluation.classes = ['a', 'b']
    assert tables.paired([one, other]) is None
    assert tables.paired([one, group('x', (50.0, 80.0))]) is None
    assert tables.paired([one]) is None


def test_every_run_of_a_group(group):
    table = tables.of_runs(group('x', (50.0, 80.0), (53.0, None)))
    assert table.header == ['class', 'mean', 'std', 'run0', 'run1']
    assert texts(table)['a'] == ['51.50', '2.12', '50.00', '53.00']
    assert texts(table)['b'] == ['80.00', NONE, '80.00', NONE]
    assert [row.kind for row in table.rows] == ['class', 'class', 'mean']


def test_all_measures_of_a_group(result):
    table = tables.per_class(result('x', 1))
    assert table.header == ['class', 'IoU', 'Dice', 'Precision', 'Recall', 'percent of pixels']
    # walls: 5 rows of 1, 2, 3 and 4; taken for walls: 1, 3, 5 and 7 of 8 columns
    assert texts(table) == {
        'wall & <b>': ['62.50', '76.92', '62.50', '100.00', '31.25'],
        'cell': ['72.73', '84.21', '100.00', '72.73', '68.75'],
        'mean': ['67.61', '80.57', '81.25', '86.36', ''],
    }


def test_measures_that_nobody_has_are_no_column(group):
    assert tables.per_class(group('x', (50.0, 80.0))).header == ['class', 'IoU']


def test_confusion_in_percent_of_the_true_class():
    table = tables.confusion_matrix(make_evaluation(1).counts, CLASSES)
    assert texts(table) == {'a': ['100.0', '0.0'], 'b': ['27.3', '72.7']}
    assert [cell.shade for cell in table.rows[0].cells] == [1, 0]
    assert table.rows[0].cells[0].style == 'background:rgb(8 81 156);color:#fff'
    assert table.rows[0].cells[1].style == 'background:rgb(247 251 255);color:#111'


def test_a_class_that_is_not_there_has_an_empty_row():
    counts = np.array([[0, 0], [1, 3]])
    table = tables.confusion_matrix(counts, CLASSES)
    assert texts(table)['a'] == [NONE] * 2
    assert table.rows[0].cells[0].shade is None


def test_a_value_that_is_not_finite_is_not_the_best():
    cells = tables.marked(['nan', '1.00', '2.00'], [float('nan'), 1.0, 2.0])
    assert [cell.best for cell in cells] == [False, False, True]
