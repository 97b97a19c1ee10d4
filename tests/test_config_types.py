"""Every way to write a type in a config, and what compares types."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import LoadAnnotations, LoadImageFromFile, Resize
from mmengine.config import Config
from mmseg.datasets.transforms import LoadAnnotations as MMSegAnnotations
from mmseg.registry import MODELS, TRANSFORMS

from mmseg_attn.apps.check import check_config
from mmseg_attn.apps.predict import Predictor
from mmseg_attn.apps.report.overview import TOPICS
from mmseg_attn.config_types import class_of, is_a, type_name

WAYS = [
    LoadImageFromFile,
    'LoadImageFromFile',
    'mmengine.LoadImageFromFile',
    'mmcv.transforms.LoadImageFromFile',
]
LAZY = """
from mmcv.transforms import LoadImageFromFile, RandomFlip, TestTimeAug
from mmengine.optim import OptimWrapper
from mmseg.datasets.basesegdataset import BaseSegDataset
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.decode_heads import STDCHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder, SegTTAModel
from mmseg_attn.models.backbones import UNetEncoder
from mmseg_attn.models.decode_heads import UNetHead
from torch.optim import SGD

default_scope = 'mmseg'
load = dict(type=LoadImageFromFile, color_type='grayscale')
test_dataloader = dict(
    dataset=dict(
        type=BaseSegDataset,
        data_root='data',
        metainfo=dict(classes=('a', 'b'), palette=[[0, 0, 0], [255, 0, 0]]),
        pipeline=[load, dict(type=LoadAnnotations), dict(type=PackSegInputs)],
    )
)
train_dataloader = test_dataloader
flips = [dict(type=RandomFlip, prob=0.0), dict(type=RandomFlip, prob=1.0)]
steps = [flips, [dict(type=LoadAnnotations)], [dict(type=PackSegInputs)]]
tta_pipeline = [load, dict(type=TestTimeAug, transforms=steps)]
tta_model = dict(type=SegTTAModel)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
model = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(type=SegDataPreProcessor, mean=[128.0], std=[55.0]),
    backbone=dict(type=UNetEncoder, in_channels=1, channels=[4, 8]),
    decode_head=dict(
        type=UNetHead, in_channels=[4, 8], num_classes=2, loss_decode=dict(type=CrossEntropyLoss)
    ),
    auxiliary_head=dict(
        type=STDCHead,
        in_channels=8,
        channels=4,
        in_index=1,
        num_classes=7,
        boundary_threshold=0.1,
        loss_decode=dict(type=CrossEntropyLoss, use_sigmoid=True),
    ),
    test_cfg=dict(mode='whole'),
)
"""


@pytest.mark.parametrize('kind', WAYS)
def test_a_class_is_found_and_named(kind):
    cfg = dict(type=kind)
    assert class_of(cfg, TRANSFORMS) is LoadImageFromFile
    assert is_a(cfg, TRANSFORMS, Resize, LoadImageFromFile)
    assert not is_a(cfg, TRANSFORMS, Resize)
    assert type_name(cfg) == 'LoadImageFromFile'


def test_classes_made_from_one_count():
    assert issubclass(MMSegAnnotations, LoadAnnotations)
    for name in ('LoadAnnotations', 'LoadStrictAnnotations', MMSegAnnotations):
        assert is_a(dict(type=name), TRANSFORMS, LoadAnnotations)


@pytest.mark.parametrize('cfg', [None, [], dict(), dict(type='NoSuchThing')])
def test_what_is_no_class_is_none(cfg):
    assert not is_a(cfg, TRANSFORMS, Resize)


def test_functions_have_names():
    assert type_name(dict(type=np.mean)) == 'mean'
    assert type_name(dict()) == ''


@pytest.fixture(params=['pure Python', 'as MMEngine writes it down'])
def lazy(request, tmp_path) -> Path:
    file = tmp_path / 'lazy.py'
    file.write_text(LAZY)
    if request.param != 'pure Python':
        Config.fromfile(file).dump(tmp_path / 'dumped.py')
        file = tmp_path / 'dumped.py'
        assert "type='mmcv.transforms.LoadImageFromFile'" in file.read_text().replace('"', "'")
    return file


@pytest.mark.parametrize('tta', [False, True])
def test_predictions_of_a_pure_python_config(lazy, tmp_path, tta):
    weights = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(lazy).model).state_dict()), weights)
    predictor = Predictor(Config.fromfile(lazy), weights, tta=tta)
    assert predictor.color_type == 'grayscale'
    assert predictor.dataset.__name__ == 'BaseSegDataset'
    image = np.random.default_rng(0).integers(0, 256, (32, 48), dtype=np.uint8)
    ((_, labels),) = predictor([(0, image)])
    assert labels.shape == (32, 48)


def test_an_exported_pure_python_config_names_its_steps(lazy):
    pytest.importorskip('torch.export')
    from mmseg_attn.apps.export import PixelsToLogits, describe

    cfg = Config.fromfile(lazy)
    pipeline = cfg.test_dataloader.dataset.pipeline
    module = PixelsToLogits(MODELS.build(cfg.model), in_channels=1, color_type='grayscale')
    resize = dict(type=Resize, scale=(8, 8))
    steps = [*pipeline, resize]
    found = describe(module, config='x', steps=steps, classes=['a', 'b'], palette=[])
    assert '"steps": [{"type": "Resize", "scale": [8, 8]}]' in found['preprocessing']


def test_a_report_names_the_parts_of_a_pure_python_config(lazy):
    cfg = Config.fromfile(lazy)
    told = {topic: TOPICS[topic](cfg) for topic in ('model', 'losses', 'augmentation', 'optimizer')}
    assert told == dict(
        model='UNetEncoder, UNetHead, STDCHead',
        losses='CrossEntropyLoss',
        augmentation='none',
        optimizer='SGD, learning rate 0.01',
    )
    assert TOPICS['data'](cfg) == 'BaseSegDataset, data'


def test_a_boundary_head_of_a_pure_python_config_may_have_other_classes(lazy, tmp_path):
    cfg = Config.fromfile(lazy)
    cfg.test_dataloader.dataset.data_root = str(tmp_path)
    kinds = {each.kind for each in check_config(cfg).findings}
    assert 'class-count' not in kinds
