from mmengine.config import Config

from mmseg_attn.apps.report.overview import (
    commands,
    cost,
    costs,
    device,
    duration,
    setup,
    setups,
)
from mmseg_attn.apps.report.tables import NONE


def test_setup_from_config_log_and_folder(run):
    topics = setup(run('x'))
    folder = topics.pop('folder')
    assert folder.endswith('/x')
    assert topics == {
        'config': 'unet-b16_1xb4-600i_drosophila-128x128.py',
        'model': 'UNetEncoder, UNetHead',
        'losses': 'SoftmaxFocalLoss + SoftIoULoss',
        'data': 'DrosophilaDataset, data/drosophila, splits/fold0/train.txt',
        'augmentation': 'RandomCrop 128 x 128',
        'optimizer': 'Adam, learning rate 0.003, LinearLR',
        'length': '600 iterations, batch size 4',
        'seed': '7',  # of the log
        'trained with': 'Python 3.11.7, PyTorch 2.13.0+cu130, MMEngine 0.10.7',
        'trained on': 'Some Card',
        'started': '2024-01-02 03:04',
        'checkpoint': 'best_mIoU_iter_100.pth',
    }


def test_a_config_of_another_kind_is_told_as_far_as_it_goes(run):
    one = run('x')
    one.cfg = Config(dict(model=dict(backbone=dict(type='A'), decode_head=dict(type='B'))))
    topics = setup(one)
    assert topics['model'] == 'A, B'
    assert 'data' not in topics
    assert 'length' not in topics


def test_wrapped_data_weighted_losses_and_mixed_precision(run):
    one = run('x')
    inner = one.cfg.train_dataloader.dataset
    one.cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    one.cfg.model.decode_head.loss_decode[0].loss_weight = 0.5
    one.cfg.optim_wrapper.type = 'AmpOptimWrapper'
    topics = setup(one)
    assert topics['data'].startswith('DrosophilaDataset')
    assert topics['augmentation'] == 'RandomCrop 128 x 128'
    assert topics['losses'] == '0.5 SoftmaxFocalLoss + SoftIoULoss'
    assert 'mixed precision' in topics['optimizer']


def test_several_cards(run):
    one = run('x')
    one.launches[-1].environment['GPU number'] = '4'
    assert device(one) == '4 x Some Card'
    one.launches[-1].environment['CUDA available'] = 'False'
    assert device(one) == 'CPU'


def test_commands_can_be_pasted(run):
    train, test = commands(run('a b'))
    assert train.startswith("python tools/train.py '")
    assert train.endswith("a b-again'")
    assert test.endswith("best_mIoU_iter_100.pth'")


def test_cost_of_a_run(result):
    (one,) = result('x', 0).results
    spent = cost(one)
    assert spent.shape == (1, 128, 128)
    assert spent.complexity.parameters > 100
    assert (spent.iteration, spent.training, spent.memory) == (0.5, 120, 2048)


def test_without_a_size_in_the_name_an_image_gives_it(result):
    (one,) = result('x', 0).results
    one.run.cfg._filename = None
    object.__setattr__(one.run.cfg, '_filename', 'plain.py')
    assert cost(one).shape == (1, 6, 8)


def test_durations():
    assert [duration(s) for s in (0.123, 59, 61, 3600, 5000, 90000)] == [
        '0.12 s',
        '59 s',
        '1 min 1 s',
        '1 h 0 min',
        '1 h 23 min',
        '1 d 1 h',
    ]


def texts(table) -> dict[str, list[str]]:
    return {row.name: [cell.text for cell in row.cells] for row in table.rows}


def test_costs_side_by_side(result, bare):
    table = costs([result('x', 0, 1), bare('y')])
    assert table.header == ['', 'x (2 runs)', 'y']
    rows = texts(table)
    assert rows['GPU memory'] == ['2.0 GiB', '2.0 GiB']
    assert rows['training time per iteration'] == ['0.5 s', '0.5 s']
    assert rows['training time with validation'] == ['2 min 0 s', NONE]
    assert rows['parameters'][1] == NONE
    assert 'FLOPs for an image of 1 x 128 x 128' in rows


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
    model.backbone.channels = model.decode_head.in_channels = [64, 128]
    rows = {row.name: row for row in costs([small, large]).rows}
    assert [cell.best for cell in rows['parameters'].cells] == [True, False]
    assert [cell.best for cell in rows['GPU memory'].cells] == [False, False]
