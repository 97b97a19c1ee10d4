"""The text of a config for data that the tests of the tool do not have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, TRANSFORMS

from mmseg_attn.apps.new_dataset.choices import MODALITIES, Machine, choose
from mmseg_attn.apps.new_dataset.choices import MODELS as NAMES
from mmseg_attn.apps.new_dataset.config_text import MODEL_PARTS, Data, config_text, normalization
from mmseg_attn.apps.new_dataset.masks import find_labels
from tests.apps.new_dataset.measured import measured


@pytest.fixture
def read(tmp_path):
    """Write the config of some measures, and read it."""

    def read(one, fractions, machine='cpu', labels=None, modality='rgb', **changes):
        labels = labels or find_labels([one])
        chosen = choose([one], [one], fractions, Machine(machine, 2**34, 2), modality=modality)
        data = Data(
            'data', 'name', Path('/x y/images'), '.png', Path('data/masks'), '.png', False, {}, 5
        )
        text = config_text(
            data, labels, replace(chosen, **changes), [one], [one], fractions, why_iterations='-'
        )
        (tmp_path / 'runtime.py').write_text('default_hooks = dict(a=1)\ncustom_hooks = []\n')
        (tmp_path / 'config.py').write_text(text)
        return Config.fromfile(tmp_path / 'config.py'), text

    return read


def test_rare_classes(read):
    labels = dict.fromkeys(range(3), 1)
    cfg, text = read(measured(size=(512, 512), labels=labels), {0: 0.8, 1: 0.16, 2: 0.04})
    (crop,) = [t for t in cfg.train_pipeline if t['type'] == 'ClassBalancedCrop']
    assert (crop.crop_size, crop.classes) == ((128, 128), [2])
    assert 'centered on a rare class: class_2 (4 %).' in text
    cfg, _ = read(measured(size=(512, 512)), {0: 0.8, 1: 0.2})
    assert [t['type'] for t in cfg.train_pipeline if 'Crop' in t['type']] == ['RandomCrop']
    cfg, _ = read(measured(size=(64, 64)), {0: 0.99, 1: 0.01})
    assert not [t for t in cfg.train_pipeline if 'Crop' in t['type']]


def test_large_images_are_predicted_in_windows(read):
    cfg, _ = read(measured(size=(1000, 1025)), {0: 0.9, 1: 0.1}, 'cuda')
    assert cfg.model.type == 'LargeImageEncoderDecoder'
    assert cfg.model.test_cfg == dict(mode='slide', crop_size=(512, 512), stride=(256, 256))
    cfg, _ = read(measured(size=(1000, 1024)), {0: 0.9, 1: 0.1})
    assert cfg.model.test_cfg == dict(mode='whole')


@pytest.mark.parametrize(
    ('size', 'modality', 'expected'),
    [((300, 257), 'mri', (256, 256)), ((256, 256), 'ct', None), ((300, 257), 'em', None)],
)
def test_large_scans_are_reduced(size, modality, expected, read):
    cfg, _ = read(measured(size=size), {0: 0.9, 1: 0.1}, modality=modality)
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline, cfg.tta_pipeline):
        resizing = [t.scale for t in pipeline if t['type'] == 'Resize']
        assert resizing == [expected] * bool(expected)
    names = [t['type'] for t in cfg.test_pipeline]
    assert names.index('LoadStrictAnnotations') == len(names) - 2  # labels keep their size


def test_many_classes_with_quotes_in_their_names(read):
    names = [f"cell's type {i}" for i in range(30)]
    labels = find_labels([measured(labels=dict.fromkeys(range(30), 1))], classes=names)
    cfg, text = read(measured(size=(512, 512)), dict.fromkeys(range(30), 1 / 30), labels=labels)
    metainfo = cfg.train_dataloader.dataset.metainfo
    assert metainfo.classes == names
    assert metainfo.palette == [list(color) for color in labels.palette]
    assert max(map(len, text.splitlines())) <= 100


def test_paths(read, tmp_path):
    cfg, _ = read(measured(), {0: 0.9, 1: 0.1})
    prefix = cfg.val_dataloader.dataset.data_prefix
    assert prefix == dict(img_path='/x y/images', seg_map_path=f'{tmp_path}/data/masks')
    assert cfg.val_dataloader.dataset.ann_file == f'{tmp_path}/splits/fold0/val.txt'


def test_normalization():
    """All pixels count alike: 1, 1, 1, 1 and 6 have the mean 2 and the variance 4."""
    small = measured(size=(1, 1), samples=((6,),))
    large = measured(size=(2, 2), samples=((1,),))
    assert normalization([small, large]) == ([2.0], [2.0])
    constant = measured(samples=((7,), (7,)))
    assert normalization([constant]) == ([7.0], [1.0])


@pytest.mark.parametrize('modality', MODALITIES)
@pytest.mark.parametrize('kind', ['gray', 'color', 'deep', 'bands'])
def test_the_pipelines_return_images_of_their_kind(modality, kind, read):
    """All transforms run on images of every type and number of channels."""
    channels = dict(color=3, bands=5).get(kind, 1)
    deep = dict(dtype='uint16', bits=16) if kind == 'deep' else {}
    one = measured(size=(240, 200), samples=(range(channels), range(1, channels + 1)), **deep)
    cfg, _ = read(one, {0: 0.99, 1: 0.01}, modality=modality)
    init_default_scope('mmseg')
    image = np.full((240, 200, channels)[: 2 if channels == 1 else 3], 100, 'f4' if deep else 'u1')
    results = dict(img=image, gt_seg_map=np.ones((240, 200), np.uint8), seg_fields=['gt_seg_map'])
    results |= dict(img_shape=image.shape[:2], ori_shape=image.shape[:2])
    for transform in cfg.train_pipeline[2:-1]:
        results = TRANSFORMS.build(transform)(results)
    assert results['gt_seg_map'].shape == (128, 128) == results['img'].shape[:2]
    assert results['img'].shape[2:] == image.shape[2:]
    assert results['img'].dtype == image.dtype


@pytest.mark.parametrize('crop', [(16, 16), (48, 96)])
@pytest.mark.parametrize('name', NAMES)
def test_models_of_every_depth_can_be_built(name, crop, read):
    stages = [16, 32] if crop == (16, 16) else [16, 32, 64]
    cfg, _ = read(measured(size=crop), {0: 0.9, 1: 0.1}, model=name)
    assert cfg.channels == stages
    assert MODELS.build(cfg.model).decode_head.num_classes == 2


def test_the_models_are_those_of_the_rules():
    assert tuple(MODEL_PARTS) == NAMES
