"""Class weights against the training set that they were computed from."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, HOOKS, MODELS
from torch import nn

from mmseg_attn.datasets.class_weights import class_weights, count_pixels

KIND = 'median_frequency'


@pytest.fixture
def data(root, pseudo_data, monkeypatch) -> dict:
    """The training set of the COVID-19 config."""
    monkeypatch.setenv('COVID19_ROOT', pseudo_data['COVID19_ROOT'])
    config = Config.fromfile(root / 'configs/_base_/datasets/covid19.py')
    return config.train_dataloader.dataset


def right(data: dict) -> list[float]:
    dataset = DATASETS.build(data)
    return class_weights(count_pixels(dataset), classes=dataset.metainfo['classes'])[KIND]


def check(data: dict, *losses: dict) -> None:
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=DATASETS.build(data)))
    model = nn.ModuleList(MODELS.build(loss) for loss in losses)
    hook = HOOKS.build(dict(type='ClassWeightCheckHook', kind=KIND))
    hook.before_train(SimpleNamespace(model=model, train_loop=loop))


@pytest.mark.parametrize('loss', ['CrossEntropyLoss', 'SoftmaxFocalLoss'])
def test_the_weights_of_the_split_pass(data, loss):
    rounded = [float(f'{weight:.4g}') for weight in right(data)]
    check(data, dict(type=loss, class_weight=rounded), dict(type='SoftIoULoss'))
    wrapped = dict(type='RepeatDataset', times=2, dataset=data)
    check(wrapped, dict(type=loss, class_weight=rounded))


def test_those_of_another_split_stop_the_run(data):
    loss = dict(type='CrossEntropyLoss', class_weight=right(data))
    other = dict(data, ann_file=data['ann_file'].replace('fold0', 'fold1'))
    with pytest.raises(
        ValueError, match=r'but the median_frequency .* 4 training .*: set'
    ) as error:
        check(other, loss)
    assert str(right(other)) in str(error.value)


@pytest.mark.parametrize('weights', [None, [1.0, 2.0]])
def test_missing_ones_and_other_classes_stop_the_run(data, weights):
    with pytest.raises(ValueError, match=r'weights of the loss are (None|\[1.0, 2.0\]), but'):
        check(data, dict(type='CrossEntropyLoss', class_weight=weights))


def test_the_covid19_configs_are_checked(root):
    paths = [path for path in root.glob('configs/*/*covid19*.py') if path.parent.name != '_base_']
    assert paths
    for path in paths:
        hooks = Config.fromfile(path).custom_hooks
        assert dict(type='ClassWeightCheckHook', kind=KIND) in hooks
