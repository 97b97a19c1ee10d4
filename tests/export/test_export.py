"""Exported models against the models themselves, system by system, in few channels."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS
from torch import nn

from mmseg_attn import export
from mmseg_attn.datasets.conversion import ConversionError
from mmseg_attn.export import describe, export_program, files, write
from tests.test_configs import CONFIGS

onnxruntime = pytest.importorskip('onnxruntime', reason='needs the extra onnx')
onnx = pytest.importorskip('onnx', reason='needs the extra onnx')
pytest.importorskip('onnxscript', reason='needs the extra onnx')

MMSEG = ('deeplabv3', 'deeplabv3plus', 'fcn', 'pspnet')  # with its own backbone and heads
VARIANTS = (  # beside the first config of every system
    'attention-unet-grid_1xb8-1500e_drosophila-256x256',
    'hybrid-unet-multiscale_1xb16-100e_cityscapes-512x1024',
    'msanet_1xb4-200e_voc2012-224x224',
)
SYSTEMS = {path.parent.name: path for path in reversed(CONFIGS) if path.parent.name not in MMSEG}
SYSTEMS |= {path.stem: path for path in CONFIGS if path.stem in VARIANTS}
SIZES = [(1, 64, 96), (3, 101, 75)]  # batch, height, width
SMALL = dict(  # where configs leave the channels to the class
    DilatedVGG16=dict(channels=[8, 16, 32, 64, 64]), LargeFOVHead=dict(in_channels=64, channels=16)
)
WIDTHS = ('channels', 'in_channels', 'levels')


def narrow(value):
    """An eighth of the channels, in whatever is nested; numbers below 16 are none."""
    if isinstance(value, int):
        return max(value // 8, 2) if value >= 16 else value
    return [narrow(each) for each in value]


def slim(cfg):
    """Make a model small, and its weights random."""
    for key, value in cfg.items() if isinstance(cfg, dict) else enumerate(cfg):
        if key in WIDTHS:
            cfg[key] = narrow(value)
        elif isinstance(value, dict | list):
            slim(value)
    if isinstance(cfg, dict):
        cfg.pop('init_cfg', None)
        cfg.update(SMALL.get(cfg.get('type'), {}))
    return cfg


def build(cfg: ConfigDict, in_channels: int) -> nn.Module:
    """A model whose normalisation fits its weights, so that the logits differ between pixels."""
    model = MODELS.build(cfg)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(2, in_channels, 64, 64))
    return model.eval()


def small_unet(**kwargs) -> ConfigDict:
    return ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[1.1, 2, 3], std=[4, 5, 6.3]),
        backbone=dict(type='UNetEncoder', channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=3, **kwargs),
        test_cfg=dict(mode='whole'),
    )


def run_onnx(path, image):
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(['logits'], dict(image=image.numpy()))[0]


def test_there_is_every_system():
    assert len(SYSTEMS) > 15
    assert all(name in SYSTEMS for name in VARIANTS)


@pytest.mark.parametrize('name', SYSTEMS)
def test_onnx_gives_the_logits_and_the_classes(name, tmp_path):
    cfg = slim(Config.fromfile(SYSTEMS[name]).model)
    in_channels = cfg.backbone.get('in_channels', 3)
    model = build(cfg, in_channels)
    path = tmp_path / 'model.onnx'
    write(model, path, in_channels=in_channels, description={})
    for batch, height, width in SIZES:
        image = torch.randn(batch, in_channels, height, width)
        with torch.no_grad():
            expected = model.encode_decode(image, [dict(img_shape=(height, width))]).numpy()
        assert expected.std() > 0.01
        logits = run_onnx(path, image)
        assert np.abs(logits - expected).max() < 1e-4
        assert np.array_equal(logits.argmax(axis=1), expected.argmax(axis=1))
    assert [each.name for each in tmp_path.iterdir()] == ['model.onnx']


@pytest.mark.parametrize('name', ['lfa_unet', 'msanet', 'fr_unet'])
def test_a_torch_program_gives_the_same(name, tmp_path):
    cfg = slim(Config.fromfile(SYSTEMS[name]).model)
    in_channels = cfg.backbone.get('in_channels', 3)
    model = build(cfg, in_channels)
    path = tmp_path / 'model.pt2'
    write(model, path, in_channels=in_channels, description=dict(classes='["a"]'))
    extra = {files.DESCRIPTION: ''}
    program = torch.export.load(path, extra_files=extra)
    assert json.loads(extra[files.DESCRIPTION]) == dict(classes='["a"]')
    for batch, height, width in SIZES:
        image = torch.randn(batch, in_channels, height, width)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(image), model(image), rtol=0, atol=1e-4)


def test_the_file_describes_the_model(tmp_path):
    model = build(small_unet(), 3)
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(64, 32), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    description = describe(
        model,
        config='unet_x',
        color_type='color',
        steps=steps,
        classes=['a', 'b', 'ü'],
        palette=[(0, 0, 0), (1, 2, 3), (4, 5, 6)],
    )
    path = tmp_path / 'model.onnx'
    write(model, path, in_channels=3, description=description)
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    found = {each.key: each.value for each in proto.metadata_props}
    assert {name: found[name] for name in description} == description
    assert json.loads(found['classes']) == ['a', 'b', 'ü']
    assert json.loads(found['palette']) == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert json.loads(found['preprocessing']) == dict(
        channels='BGR',
        steps=[dict(type='Resize', scale=[64, 32], keep_ratio=True)],
        mean=[1.1, 2, 3],
        std=[4, 5, 6.3],
        padding=None,
    )
    dims = [
        [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in (proto.graph.input[0], proto.graph.output[0])
    ]
    assert dims == [['batch', 3, 'height', 'width'], ['batch', 3, 'height', 'width']]


@pytest.mark.parametrize(
    ('changes', 'color_type', 'channels'),
    [(dict(bgr_to_rgb=True), 'color', 'RGB'), ({}, 'grayscale', 'grey'), ({}, 'unchanged', 'as')],
)
def test_the_channels_are_named(changes, color_type, channels):
    cfg = small_unet()
    cfg.data_preprocessor = dict(type='SegDataPreProcessor', **changes)
    found = describe(
        build(cfg, 3), config='', color_type=color_type, steps=[], classes=[], palette=[]
    )
    preprocessing = json.loads(found['preprocessing'])
    assert preprocessing['channels'].startswith(channels)
    assert preprocessing['mean'] is preprocessing['std'] is None


def test_one_logit_is_described_with_its_threshold():
    cfg = small_unet(out_channels=1, threshold=0.4)
    cfg.decode_head.num_classes = 2
    found = describe(build(cfg, 3), config='', color_type='color', steps=[], classes=[], palette=[])
    assert found['output'].endswith('class 1, which it is where the sigmoid exceeds 0.4')


def test_coarse_logits_are_enlarged_and_fine_ones_are_not_touched():
    """What a U-Net's head returns has the image's size, whatever that is."""
    fine = export_program(build(small_unet(), 3), in_channels=3)
    cfg = small_unet()
    cfg.backbone.update(type='ResNet', depth=18, base_channels=2, out_indices=(0, 1))
    del cfg.backbone['channels']
    coarse = export_program(build(cfg, 3), in_channels=3)
    resized = [
        [str(node.target) for node in program.graph.nodes if 'upsample' in str(node.target)]
        for program in (fine, coarse)
    ]
    assert [len(each) for each in resized] == [0, 1]


def test_pooling_into_parts_is_refused_before_any_work(tmp_path, monkeypatch):
    cfg = small_unet()
    cfg.decode_head = dict(
        type='PSPHead', in_channels=4, in_index=1, channels=2, pool_scales=(1, 3), num_classes=2
    )
    model = build(cfg, 3)
    with pytest.raises(ConversionError, match='PSPHead cannot be an ONNX file for any size: its'):
        write(model, tmp_path / 'model.onnx', in_channels=3, description={})
    assert list(tmp_path.iterdir()) == []


class Specialised(nn.Module):
    """What binds an exported model to the size of its sample."""

    def forward(self, x):
        return x * len(range(x.shape[2]))


def test_what_torch_refuses_is_one_sentence(tmp_path):
    model = build(small_unet(), 3)
    model.decode_head.dropout = Specialised()
    with pytest.raises(ConversionError, match=r'torch\.export refuses the model: ') as caught:
        write(model, tmp_path / 'model.onnx', in_channels=3, description={})
    assert '\n' not in str(caught.value)


def test_a_wrong_file_is_not_kept(tmp_path, monkeypatch):
    model = build(small_unet(), 3)
    monkeypatch.setattr(files, '_load_program', lambda path: lambda image: np.full((), np.nan))
    with pytest.raises(ConversionError, match=r'is wrong: .* 128 x 96 pixels .* by nan'):
        write(model, tmp_path / 'model.pt2', in_channels=3, description={})
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ConversionError, match=r'model\.pb has to end in one of \.onnx, \.pt2'):
        write(build(small_unet(), 3), tmp_path / 'model.pb', in_channels=3, description={})


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'find_spec', lambda name: None)
    with pytest.raises(ConversionError, match=r'onnxscript: run pip install "mmseg_attn\[onnx\]"'):
        write(build(small_unet(), 3), tmp_path / 'model.onnx', in_channels=3, description={})


def test_an_old_torch_is_told(monkeypatch):
    monkeypatch.delattr(torch.compiler, 'is_exporting')
    with pytest.raises(ConversionError, match=r'install 2\.7 or newer'):
        export.export_program(build(small_unet(), 3), in_channels=3)
