"""A table with three rows, and its results from records by hand."""

import pytest

from mmseg_attn.apps.reproduce import PaperRow, PaperTable, Plan, collect
from mmseg_attn.apps.reproduce.tables import Column
from tests.apps.runs.records import make_record

FOLDS = 3


@pytest.fixture
def table() -> PaperTable:
    rows = [PaperRow(name=name, config='a/x_1xb4_cells-64x64') for name in ('U-Net', 'LFA', 'DA')]
    return PaperTable(
        name='cells-small',
        title='Cells',
        split='test',
        checkpoint='best',
        columns=(Column(name='mean', metric='mIoU', decimals=1),),
        rows=tuple(rows),
        folds=FOLDS,
        baselines=('U-Net',),
        proposals=('LFA', 'DA'),
    )


@pytest.fixture
def results(table):
    """Make the rows of the table from the IoU of single-class images, by row, fold and seed."""

    def results(runs: dict[str, dict[tuple[int, int], list[int]]], **changes):
        plans, records = [], []
        for row in table.rows:
            plan = Plan(row)
            plan.hashes = [f'{row.name}{fold}' for fold in range(FOLDS)]
            plans.append(plan)
            for (fold, seed), values in runs.get(row.name, {}).items():
                images = {f'{fold}-{i}.png': [[v], [v], [100]] for i, v in enumerate(values)}
                content = dict(classes=['cell'], images=images, config_hash=f'{row.name}{fold}')
                records.append(make_record(**content, fold=fold, seed=seed, **changes))
        return collect(table, plans, {record.key: record for record in records})

    return results
