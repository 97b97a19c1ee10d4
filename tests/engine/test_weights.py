"""Weights that do not fit are refused where numbers would come out of them."""

import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, init_model
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn.engine.weights import load_weights
from mmseg_attn.errors import CheckpointError


class Segmentor(nn.Module):
    def __init__(self, *, classes=3, width=4, auxiliary=False):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, width, 1), nn.BatchNorm2d(width))
        self.conv_seg = nn.Conv2d(width, classes, 1)
        if auxiliary:
            self.auxiliary_head = nn.Conv2d(width, classes, 1)


class Renaming(Segmentor):
    """Reads checkpoints of a time when ``conv_seg`` was called ``last``."""

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for key in [key for key in state_dict if key.startswith(f'{prefix}last.')]:
            state_dict[key.replace('last.', 'conv_seg.')] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


def content(model, **more):
    return dict(state_dict=model.state_dict(), **more)


def load(model, checkpoint, **settings):
    return load_weights(model, checkpoint, name='a.pth', logger='silent', **settings)


@pytest.mark.parametrize(
    'checkpoint',
    [
        content(Segmentor()),
        Segmentor().state_dict(),
        dict(state_dict={f'module.{k}': v for k, v in Segmentor().state_dict().items()}),
        content(Segmentor(auxiliary=True)),  # more than is needed
    ],
    ids=['checkpoint', 'plain', 'of DDP', 'with an auxiliary head'],
)
def test_what_fits(checkpoint):
    model = Segmentor()
    assert load(model, checkpoint) == []
    held = checkpoint.get('state_dict', checkpoint)
    weight = next(value for key, value in held.items() if key.endswith('conv_seg.weight'))
    assert torch.equal(model.conv_seg.weight, weight)


def test_what_is_renamed_fits():
    old = {key.replace('conv_seg', 'last'): v for key, v in Segmentor().state_dict().items()}
    assert load(Renaming(), old) == []
    with pytest.raises(CheckpointError, match='conv_seg'):
        load(Segmentor(), old)


WRONG = {
    'another model': (
        nn.Linear(2, 2).state_dict(),
        r"of the 8 tensors .*its first one is 'weight'",
    ),
    'another framework': (dict(model=content(Segmentor())), "its first one is 'model'"),
    'nothing': ({}, "its first one is 'none'"),
    'no state dict': (dict(state_dict=[torch.ones(3)]), 'contains no model weights'),
    'a list': ([1], 'contains no model weights'),
    'numbers as names': ({1: torch.ones(3)}, 'contains no model weights'),
    'no tensors': (dict.fromkeys(Segmentor().state_dict(), 'x'), 'is from another model'),
    'other widths': (
        content(Segmentor(width=5)),
        r'7 of the 8 tensors .* \(5x1x1x1 instead of 4x1x1x1\)',
    ),
}


@pytest.mark.parametrize('kind', WRONG)
@pytest.mark.parametrize('partly', [True, False])
def test_what_does_not_fit(kind, partly):
    checkpoint, reason = WRONG[kind]
    if kind == 'other widths' and partly:
        assert len(load(Segmentor(), checkpoint, partly=True)) == 7
        return
    with pytest.raises(CheckpointError, match=f'^a.pth .*({reason})') as caught:
        load(Segmentor(), checkpoint, partly=partly)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_other_classes():
    other = content(Segmentor(classes=7))
    with pytest.raises(CheckpointError) as caught:
        load(Segmentor(), other)
    assert str(caught.value) == (
        'a.pth does not fit the model: 2 of the 8 tensors of the model would stay random, '
        'conv_seg.weight (7x4x1x1 instead of 3x4x1x1), conv_seg.bias (7 instead of 3); it was '
        'trained for 7 classes, but the model has 3: use the config that it was trained with'
    )
    assert load(Segmentor(), other, partly=True) == [
        'conv_seg.weight (7x4x1x1 instead of 3x4x1x1)',
        'conv_seg.bias (7 instead of 3)',
    ]


def test_statistics_of_batch_norms_are_missed_and_their_counters_not():
    checkpoint = content(Segmentor())
    del checkpoint['state_dict']['backbone.1.num_batches_tracked']
    assert load(Segmentor(), checkpoint) == []
    del checkpoint['state_dict']['backbone.1.running_mean']
    with pytest.raises(CheckpointError, match=r'1 of the 8 .* backbone\.1\.running_mean \(missing'):
        load(Segmentor(), checkpoint)


def test_an_auxiliary_head_is_not_missed():
    missing = load(Segmentor(auxiliary=True), content(Segmentor()))
    assert missing == ['auxiliary_head.weight (missing)', 'auxiliary_head.bias (missing)']


def config(classes=3):
    return Config(
        dict(
            default_scope='mmseg',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 32)),
                backbone=dict(type='UNet', base_channels=2),
                decode_head=dict(
                    type='FCNHead', in_channels=2, in_index=4, channels=2, num_classes=classes
                ),
                test_cfg=dict(mode='whole'),
            ),
            visualizer=dict(type='SegLocalVisualizer', name='weights'),
            test_dataloader=dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile')])),
        )
    )


def predictor(kind, folder, classes):
    file = folder / 'config.py'
    config(classes).dump(file)
    if kind == 'init_model':
        return lambda weights: init_model(str(file), weights, device='cpu')
    if kind == 'inferencer':
        return lambda weights: MMSegInferencer(str(file), weights, device='cpu')
    module = 'mmseg.apis.remote_sense_inferencer'
    remote_sensing = pytest.importorskip(module, reason='MMSegmentation 1.1.0 has none')
    if kind == 'remote sensing':
        return lambda weights: remote_sensing.RSInferencer.from_config_path(str(file), weights)
    return lambda weights: remote_sensing.RSInferencer.from_model(
        MODELS.build(config(classes).model), weights
    )


@pytest.mark.usefixtures('safe_loading')
@pytest.mark.parametrize('kind', ['init_model', 'inferencer', 'remote sensing', 'built model'])
def test_functions_for_predictions(kind, tmp_path):
    weights = str(tmp_path / 'weights.pth')
    torch.save(content(MODELS.build(config(classes=3).model), meta={}), weights)
    predictor(kind, tmp_path, classes=3)(weights)
    with pytest.raises(CheckpointError, match='trained for 3 classes, but the model has 4'):
        predictor(kind, tmp_path, classes=4)(weights)
    torch.save(content(nn.Linear(2, 2), meta={}), weights)
    with pytest.raises(CheckpointError, match='is from another model'):
        predictor(kind, tmp_path, classes=3)(weights)


@pytest.mark.usefixtures('safe_loading')
def test_init_model_takes_plain_weights(tmp_path):
    weights = str(tmp_path / 'weights.pth')
    torch.save(content(MODELS.build(config(classes=19).model)), weights)
    model = predictor('init_model', tmp_path, classes=19)(weights)
    assert len(model.dataset_meta['classes']) == 19


@pytest.mark.usefixtures('safe_loading')
def test_the_config_in_a_checkpoint_does_not_run(tmp_path):
    weights, marker = tmp_path / 'weights.pth', tmp_path / 'marker'
    code = f'open({str(marker)!r}, "w")\n'
    hub = dict(runtime_info=dict(cfg=code))
    state = content(MODELS.build(config().model), meta=dict(cfg=code), message_hub=hub)
    torch.save(state, weights)
    with pytest.raises(CheckpointError, match=r'weights\.pth is given without a config, and'):
        MMSegInferencer(None, str(weights), device='cpu')
    assert not marker.exists()
    Config.fromstring(code, file_format='.py')  # what MMEngine does with it
    assert marker.exists()
