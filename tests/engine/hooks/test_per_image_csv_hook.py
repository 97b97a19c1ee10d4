"""The rows that a test leaves."""

import csv
from types import SimpleNamespace

from mmseg.registry import HOOKS


def write(tmp_path, *metrics) -> list[dict] | None:
    """The rows of the file after a test with these metrics; ``None`` if there is no file."""
    evaluator = SimpleNamespace(metrics=metrics)
    runner = SimpleNamespace(log_dir=str(tmp_path), test_evaluator=evaluator)
    HOOKS.build(dict(type='PerImageCSVHook')).after_test_epoch(runner, {'mIoU': 50})
    if not (tmp_path / 'per_image.csv').exists():
        return None
    with (tmp_path / 'per_image.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def metric(*rows: dict, prefix: str = '') -> SimpleNamespace:
    return SimpleNamespace(per_image=list(rows), prefix=prefix)


def test_a_row_per_image_with_the_values_of_all_metrics(tmp_path):
    first = metric({'img_path': 'a.png', 'A.cell': 1.5}, {'img_path': 'b.png'})
    second = metric({'img_path': 'a.png', 'B': 2}, {'img_path': 'b.png', 'B': 3})
    assert write(tmp_path, first, SimpleNamespace(), second) == [
        {'img_path': 'a.png', 'A.cell': '1.5', 'B': '2'},
        {'img_path': 'b.png', 'A.cell': '', 'B': '3'},
    ]
    assert (tmp_path / 'per_image.csv').read_text().splitlines()[0] == 'img_path,A.cell,B'


def test_metrics_of_one_kind_have_columns_by_their_prefixes(tmp_path):
    row = {'img_path': 'a.png', 'NSD_px.cell': 50}
    metrics = metric(row), metric(row | {'NSD_px.cell': 100}, prefix='near')
    assert write(tmp_path, *metrics) == [
        {'img_path': 'a.png', 'NSD_px.cell': '50', 'near/NSD_px.cell': '100'}
    ]


def test_without_values_per_image_there_is_no_file(tmp_path):
    assert write(tmp_path, SimpleNamespace()) is None
    assert write(tmp_path, metric()) is None
