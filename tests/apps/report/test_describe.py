from mmengine.config import Config

from mmseg_attn.apps.report import describe
from mmseg_attn.apps.report.cost import cost, duration


def test_setup_from_config_log_and_folder(run):
    told = describe.setup(run('x'))
    folder = told.pop('folder')
    assert folder.endswith('/x')
    assert told == {
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
        'begun': '2024-01-02 03:04',
        'checkpoint': 'best_mIoU_iter_100.pth',
    }


def test_a_config_of_another_kind_is_told_as_far_as_it_goes(run):
    one = run('x')
    one.cfg = Config(dict(model=dict(backbone=dict(type='A'), decode_head=dict(type='B'))))
    told = describe.setup(one)
    assert told['model'] == 'A, B'
    assert 'data' not in told
    assert 'length' not in told


def test_wrapped_data_weighted_losses_and_mixed_precision(run):
    one = run('x')
    inner = one.cfg.train_dataloader.dataset
    one.cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    one.cfg.model.decode_head.loss_decode[0].loss_weight = 0.5
    one.cfg.optim_wrapper.type = 'AmpOptimWrapper'
    told = describe.setup(one)
    assert told['data'].startswith('DrosophilaDataset')
    assert told['augmentation'] == 'RandomCrop 128 x 128'
    assert told['losses'] == '0.5 SoftmaxFocalLoss + SoftIoULoss'
    assert 'mixed precision' in told['optimizer']


def test_several_cards(run):
    one = run('x')
    one.launches[-1].environment['GPU number'] = '4'
    assert describe.device(one) == '4 x Some Card'
    one.launches[-1].environment['CUDA available'] = 'False'
    assert describe.device(one) == 'CPU'


def test_commands_can_be_pasted(run):
    train, test = describe.commands(run('a b'))
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
