from mmseg_attn.apps.report.overview import costs, setups
from mmseg_attn.apps.report.table import NONE


def texts(table) -> dict[str, list[str]]:
    return {row.name: [cell.text for cell in row.cells] for row in table.rows}


def test_costs_side_by_side(result, bare):
    table = costs([result('x', 0, 1), bare('y')])
    assert table.header == ['', 'x (2 runs)', 'y']
    found = texts(table)
    assert found['GPU memory'] == ['2.0 GiB', '2.0 GiB']
    assert found['time per iteration of the training'] == ['0.5 s', '0.5 s']
    assert found['time of the training with validations'] == ['2 min 0 s', NONE]
    assert found['parameters'][1] == NONE
    assert 'FLOPs for an image of 1 x 128 x 128' in found


def test_what_all_share_stands_once(result, bare):
    table = setups([result('x', 0), result('y', 0)])
    rows = {row.name: row for row in table.rows}
    assert rows['losses'].span
    assert [cell.text for cell in rows['losses'].cells] == ['SoftmaxFocalLoss + SoftIoULoss']
    assert [cell.text.rpartition('/')[2] for cell in rows['folder'].cells] == ['x', 'y']
    assert not rows['folder'].span
    alone = setups([bare('z')])
    assert alone.header == []
    assert [row.name for row in alone.rows] == ['folder']
    assert not alone.rows[0].span


def test_the_least_cost_is_marked(result):
    small, large = result('x', 0), result('y', 0)
    model = large.results[0].run.cfg.model
    model.backbone.channels = model.decode_head.in_channels = [4, 8]
    rows = {row.name: row for row in costs([small, large]).rows}
    assert [cell.best for cell in rows['parameters'].cells] == [True, False]
    assert [cell.best for cell in rows['GPU memory'].cells] == [False, False]
