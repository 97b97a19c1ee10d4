"""The page of a table from records by hand."""

import csv
import io
from dataclasses import replace

import pytest

from mmseg_attn.apps.reproduce import Plan, collect, markdown, to_csv
from mmseg_attn.apps.reproduce.comparisons import comparisons
from tests.apps.runs.records import make_record


def page(table, results) -> str:
    return markdown(table, results, command='x', image='x.png', records='runs')


def test_mean_and_deviation_over_folds_each_the_mean_of_its_seeds(table, results):
    unet, lfa, da = results(
        {
            'U-Net': {(0, 0): [40], (0, 1): [50], (1, 0): [55]},
            'LFA': {(2, 0): [40], (2, 3): [50]},
        }
    )
    column = table.columns[0]
    assert unet.measured(column) == pytest.approx((50, 50**0.5))  # 45 and 55
    assert unet.runs == 'fold 0, seeds 0 to 1; fold 1, seed 0'
    assert lfa.measured(column) == pytest.approx((45, 50**0.5))  # 40 and 50
    assert lfa.runs == 'fold 2, seeds 0, 3'
    assert da.measured(column) == (None, None)
    assert [record.seed for record in unet.records] == [0, 1, 0]


def test_an_unknown_seed_is_listed(table, results):
    assert results({'DA': {(0, None): [40], (0, 1): [50]}})[2].runs == 'fold 0, seeds None, 1'


def test_records_of_another_split_or_config_do_not_count(table, results):
    runs = {'U-Net': {(0, 0): [40]}}
    assert not results(runs, split='val')[0].records
    assert not results(runs, measured='last')[0].records
    assert results(runs)[0].records


def test_proposals_are_compared_with_baselines_on_common_folds(table, results):
    rows = results(
        {
            'U-Net': {(0, 0): [40, 50], (1, 0): [60]},
            'LFA': {(0, 0): [45, 55], (2, 0): [90]},
            'DA': {(2, 0): [10]},
        }
    )
    ((names, comparison),) = comparisons(table, rows).items()
    assert names == ('LFA', 'U-Net')
    assert comparison.difference == pytest.approx(5)
    text = page(table, rows)
    few = 'no difference shown: +5.0 mIoU (no interval of fewer than 6 cases)'
    assert f'| LFA | U-Net | {few} | 0: +5.0 | 0.5 | 2 |\n' in text
    assert 'The interval over cases (single images, even' in text
    assert 'so their means cannot be compared.**' in text


def test_images_of_one_case_count_together(table, results):
    rows = results(
        {'U-Net': {(0, 0): [40, 50], (1, 0): [60]}, 'LFA': {(0, 0): [45, 59], (1, 0): [59]}}
    )
    table = replace(table, cases={'slices': r'^\w'})
    (comparison,) = comparisons(table, rows).values()
    assert (comparison.images, comparison.cases) == (3, 2)
    text = page(table, rows)
    assert 'The interval over cases (slices) says' in text
    assert ' in each fold | Wilcoxon p | images | slices |\n' in text
    assert ' | 0: +7.0, 1: -1.0 | 1 | 3 | 2 |\n' in text


def test_the_difference_is_that_of_the_means_in_the_table(table, results):
    rows = results(
        {
            'U-Net': {(0, 0): [40, 52], (0, 1): [44, 50], (1, 0): [60, 71]},
            'LFA': {(0, 0): [45, 58], (1, 0): [66, 70]},
        }
    )
    unet, lfa, _ = (row.measured(table.columns[0])[0] for row in rows)
    assert comparisons(table, rows)['LFA', 'U-Net'].difference == pytest.approx(lfa - unet)


def test_the_class_of_a_claim_is_compared_too(table, results):
    values = [40, 50, 60, 40, 50, 60]
    rows = results({'U-Net': {(0, 0): values}, 'LFA': {(0, 0): [value + 5 for value in values]}})
    text = page(replace(table, claimed='cell'), rows)
    assert '| difference in percentage points | in each fold | Wilcoxon p | cell | images |' in text
    interval = '(95 % interval 5.0 to 5.0)'
    assert f'| +5.0 mIoU {interval} | 0: +5.0 | 0.031 | +5.0 IoU {interval} | 6 |' in text


def test_a_fold_with_other_images_in_one_row_is_not_compared(table, results):
    rows = results({'U-Net': {(0, 0): [40], (1, 0): [50]}, 'LFA': {(0, 0): [45], (1, 0): [50, 60]}})
    (comparison,) = comparisons(table, rows).values()
    assert comparison.by_set == pytest.approx((5,))
    assert ' | 0: +5.0, 1: other images | 1 | 1 |\n' in page(table, rows)


def test_without_runs_there_is_nothing_to_compare(table, results):
    text = page(table, results({}))
    assert '## Comparisons' not in text
    assert 'Nothing has been run yet.' in text
    assert '| U-Net |  |  |  |  |' in text


def test_the_time_is_that_of_the_fastest_run(table, results):
    (row, *_) = results({'U-Net': {(0, 0): [40], (1, 0): [50]}})
    slow = replace(row.records[1], seconds=row.records[1].seconds | dict(iteration=0.9))
    assert replace(row, records=[slow, row.records[0]]).seconds == 0.25
    unknown = replace(slow, seconds=slow.seconds | dict(iteration=None))
    assert replace(row, records=[unknown, slow]).seconds == 0.9
    assert replace(row, records=[unknown]).seconds is None


def test_machines_and_versions_are_listed_with_their_rows(table, results):
    one = results({'U-Net': {(0, 0): [40]}}, machine=dict(CPU='A', cores=2, threads=1))
    other = results({'LFA': {(0, 0): [40]}}, machine=dict(CPU='B', cores=4, threads=4))
    text = page(table, [one[0], other[1], one[2]])
    assert '- machine (U-Net): CPU A, cores 2, threads 1' in text
    assert '- machine (LFA): CPU B, cores 4, threads 4' in text
    assert '- versions: Python 3.11.7, torch 2.13.0' in text
    assert '- date: 2026-01-02\n' in text


def test_every_run_is_listed_with_its_record(table, results):
    rows = results({'U-Net': {(0, 0): [40], (1, 5): [50]}})
    lines = [line for line in page(table, rows).splitlines() if '](runs/' in line]
    assert [line.split(' | ')[:4] for line in lines] == [
        ['| U-Net', '0', '0', '40.0'],
        ['| U-Net', '1', '5', '50.0'],
    ]
    assert all(f'(runs/{record.name})' in lines[i] for i, record in enumerate(rows[0].records))
    assert all(' | 10.0 min | ' in line for line in lines)


@pytest.mark.parametrize(
    ('steps', 'expected'),
    [
        ([500, 1000, 1500, 2000, 2500, 3000, 3500, 4000], '2.0, 4.0, 6.0, 8.0'),
        ([10, 20, 30, 35], '1.0, 2.0, 3.0, 4.0'),
        ([10, 20, 25], ''),
        ([], ''),
    ],
)
def test_a_run_is_listed_with_the_validation_after_each_quarter(table, results, steps, expected):
    curve = {str(step): float(i) for i, step in enumerate(steps, 1)}
    (row, *others) = results({'U-Net': {(0, 0): [40], (1, 0): [50]}})
    first = replace(row.records[0], validations=dict.fromkeys('1234', 30.04))
    second = replace(row.records[1], validations=curve)
    text = page(table, [replace(row, records=[first, second]), *others])
    lines = [line for line in text.splitlines() if '](runs/' in line]
    assert [line.split(' | ')[7].removesuffix(' |') for line in lines] == [
        '30.0, 30.0, 30.0, 30.0',
        expected,
    ]
    assert 'Validation: the mIoU on the validation split' in text
    assert 'Validation:' not in page(table, [row, *others])


def test_a_record_counts_for_its_fold_alone(table):
    plan = Plan(table.rows[0])
    plan.hashes = ['same'] * 3  # the options take the folds away
    record = make_record(config_hash='same', fold=1)
    (row,) = collect(table, [plan], {record.key: record})
    assert row.records == [record]


def test_the_csv_has_the_values_without_rounding(table, results):
    rows = results({'U-Net': {(0, 0): [1], (1, 0): [2]}})
    line, *_ = csv.DictReader(io.StringIO(to_csv(table, rows)))
    assert (line['mean, measured here'], line['mean, measured here, sd']) == ('1.5', '0.707107')
    assert (line['runs'], line['parameters']) == ('2', '1000000')


def test_changed_files_are_listed_but_not_all(table, results):
    rows = results({'U-Net': {(0, 0): [1]}}, code={f'{name}.py': 'old' for name in 'abcde'})
    assert ' | changed since: a.py, b.py, c.py and 2 more |' in page(table, rows)
    rows = results({'U-Net': {(0, 0): [1]}}, code={'a.py': 'old'})
    assert ' | changed since: a.py |' in page(table, rows)
