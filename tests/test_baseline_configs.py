"""The models that the Hybrid-UNet and the MSANet paper compare with: alike but for the model."""

import math
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
HYBRID, VOC, CITYSCAPES20 = PROTOCOLS = [
    '1xb16-100e_cityscapes-512x1024',
    '1xb4-200e_voc2012-224x224',
    '1xb4-200e_cityscapes20-224x224',
]
ROWS = [
    *(('hybrid_unet', HYBRID, row) for row in ('fcn', 'segnet', 'deeplabv3plus', 'pspnet')),
    *(('msanet', VOC, row) for row in ('fcn', 'unet', 'deeplabv1', 'deeplabv3')),
    *(('msanet', CITYSCAPES20, row) for row in ('fcn', 'unet', 'deeplabv1', 'deeplabv3')),
]
R50 = ['fcn', 'deeplabv3', 'deeplabv3plus', 'pspnet']


def load(algorithm: str, protocol: str) -> Config:
    name = algorithm.replace('_', '-')
    return Config.fromfile(ROOT / f'configs/{algorithm}/{name}_{protocol}.py')


def model_of(name: str) -> ConfigDict:
    """The model of a baseline before a protocol sets its loss; some stand in their only leaf."""
    base = ROOT / f'configs/_base_/models/{name}.py'
    if base.is_file():
        return Config.fromfile(base).model
    model = load(name.removesuffix('_r50-d8'), HYBRID).model
    model.decode_head.loss_decode = dict(type='CrossEntropyLoss', avg_non_ignore=True)
    return model


@pytest.mark.parametrize(('proposal', 'protocol', 'baseline'), ROWS)
def test_data_schedule_loss_and_metrics_are_the_proposals(proposal, protocol, baseline):
    ours, theirs = (load(algorithm, protocol) for algorithm in (baseline, proposal))
    for cfg in (ours, theirs):
        cfg.train_dataloader.pop('drop_last', None)
        assert cfg.model.decode_head.num_classes == cfg.num_classes
    for part in (
        'train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator',
        'optim_wrapper', 'param_scheduler', 'train_cfg', 'custom_hooks', 'default_hooks', 'sync_bn',
    ):  # fmt: skip
        assert ours.get(part) == theirs.get(part), part
    for part in ('data_preprocessor', 'test_cfg'):
        assert ours.model[part] == theirs.model[part]
    assert ours.model.decode_head.loss_decode == theirs.model.decode_head.loss_decode
    if 'auxiliary_head' in ours.model:
        assert ours.model.auxiliary_head.num_classes == ours.num_classes


@pytest.mark.parametrize('name', R50)
def test_models_are_mmsegmentations(name, monkeypatch):
    original = Path(mmseg.__file__).parent / f'.mim/configs/_base_/models/{name}_r50-d8.py'
    if not original.is_file():
        pytest.skip('this MMSegmentation came without its configs')
    monkeypatch.setenv('PRETRAINED_RESNET50', 'none')
    texts = []
    for model in (Config.fromfile(original).model, model_of(f'{name}_r50-d8')):
        model.update(data_preprocessor=None, pretrained=None)
        with torch.device('meta'):
            texts.append(repr(MODELS.build(model)))
    theirs = texts[0].replace('SyncBatchNorm', 'BatchNorm2d')
    assert texts[1] == theirs.replace('avg_non_ignore=False', 'avg_non_ignore=True')


@pytest.mark.parametrize(
    ('name', 'parameters'),
    [
        ('fcn', 49_484_644),
        ('deeplabv3', 68_099_940),
        ('deeplabv3plus', 43_576_788),
        ('pspnet', 48_962_404),
    ],
)
def test_parameters_with_the_auxiliary_head_and_two_classes(name, parameters):
    model = model_of(f'{name}_r50-d8')
    model.decode_head.num_classes = model.auxiliary_head.num_classes = 2
    with torch.device('meta'):
        assert sum(p.numel() for p in MODELS.build(model).parameters()) == parameters


@pytest.mark.parametrize('name', [*(f'{name}_r50-d8' for name in R50), 'deeplabv1'])
@pytest.mark.parametrize('variable', [None, 'none', 'some/file.pth'])
def test_pretrained_weights_are_one_variable(name, variable, monkeypatch):
    environment = 'PRETRAINED_VGG16' if name == 'deeplabv1' else 'PRETRAINED_RESNET50'
    if variable is None:
        monkeypatch.delenv(environment, raising=False)
    else:
        monkeypatch.setenv(environment, variable)
    default = 'torchvision://vgg16' if name == 'deeplabv1' else 'open-mmlab://resnet50_v1c'
    expected = {None: [default], 'none': []}.get(variable, [variable])
    assert checkpoints(model_of(name)) == expected


def checkpoints(cfg: object) -> list[str]:
    """All checkpoints that a config loads, wherever they stand in it."""
    found = [cfg['checkpoint']] if isinstance(cfg, dict) and 'checkpoint' in cfg else []
    for value in cfg.values() if isinstance(cfg, dict) else cfg if isinstance(cfg, list) else []:
        found += checkpoints(value)
    return found


def narrow_deeplabv1() -> ConfigDict:
    model = Config.fromfile(ROOT / 'configs/_base_/models/deeplabv1.py').model
    model.backbone.channels = (8, 8, 8, 8, 8)
    model.decode_head.update(in_channels=8, channels=8)
    return model


def test_deeplabv1_starts_from_a_local_file(tmp_path, monkeypatch):
    monkeypatch.setenv('PRETRAINED_VGG16', 'none')
    weights = MODELS.build(narrow_deeplabv1()).backbone.state_dict()
    torch.save(weights, tmp_path / 'vgg16.pth')
    monkeypatch.setenv('PRETRAINED_VGG16', str(tmp_path / 'vgg16.pth'))
    model = MODELS.build(narrow_deeplabv1())
    model.init_weights()
    torch.testing.assert_close(model.backbone.state_dict(), weights, rtol=0, atol=0)


def test_deeplabv1_from_scratch_starts_with_hes_weights_and_small_logits(monkeypatch):
    monkeypatch.setenv('PRETRAINED_VGG16', 'none')
    model = MODELS.build(narrow_deeplabv1())
    model.init_weights()
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    classifier = model.decode_head.conv_seg
    for layer in layers:
        fan = layer.out_channels * math.prod(layer.kernel_size)
        std = 0.01 if layer is classifier else math.sqrt(2 / fan)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.5)
    assert len(layers) == 16


def test_no_training_batch_is_a_single_image_where_a_map_is_pooled_to_one_pixel():
    """Batch normalization cannot train on one value per channel."""
    images = {HYBRID: 2975, CITYSCAPES20: 2975, VOC: 2621}
    seen = 0
    for _, protocol, row in ROWS:
        cfg = load(row, protocol)
        if cfg.model.decode_head.type in ('ASPPHead', 'DepthwiseSeparableASPPHead', 'PSPHead'):
            loader, seen = cfg.train_dataloader, seen + 1
            rest = images[protocol] % loader.batch_size
            assert rest != 1 or loader.drop_last
    assert seen == 4


def test_msanet_starts_from_a_zero_mean_gaussian_with_hes_deviation():
    model = MODELS.build(load('msanet', VOC).model)
    model.init_weights()
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) > 30
    for layer in layers:
        fan = layer.out_channels * math.prod(layer.kernel_size)
        weights = layer.weight.detach().double().flatten()
        assert weights.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.1)
        assert abs(weights.mean()) < 5 * weights.std() / math.sqrt(len(weights))
        if len(weights) > 10_000:  # a uniform distribution has 1.8
            kurtosis = (weights / weights.std()).pow(4).mean()
            assert kurtosis.item() == pytest.approx(3, rel=0.1)
