"""Predictions with ONNX Runtime are those of PyTorch."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_attn.apps.predict import Predictor
from mmseg_attn.apps.predict.onnx_network import PACKAGES, use_onnx
from mmseg_attn.errors import UsageError

for _package in PACKAGES:
    pytest.importorskip(_package)

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config that pads the images, and weights."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [4, 8, 16]
    cfg.model.data_preprocessor.test_cfg = dict(size_divisor=16)
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(cfg.model))
    for norm in (layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
        norm.running_mean.uniform_(-1, 1)
    file = tmp_path_factory.mktemp('weights') / 'x.pth'
    torch.save(dict(state_dict=model.state_dict()), file)
    return cfg, file


def probabilities(trained, runtime, sizes, **settings) -> list[np.ndarray]:
    cfg, file = trained
    predictor = Predictor(
        copy.deepcopy(cfg), file, runtime=runtime, maps=['probabilities'], **settings
    )
    rng = np.random.default_rng(0)
    images = [(size, rng.integers(0, 256, size, np.uint8)) for size in sizes]
    return [result.maps['probabilities'] for _, result in predictor.predict(images, batch_size=2)]


@pytest.mark.parametrize('settings', [{}, dict(window=(48, 48), tta=True, temperature=2.0)])
def test_the_probabilities_are_those_of_pytorch(trained, settings):
    sizes = [(70, 90), (70, 90), (64, 101), (20, 24)]  # the last is too small for the export
    expected = probabilities(trained, 'torch', sizes, **settings)
    found = probabilities(trained, 'onnx', sizes, **settings)
    assert len(found) == len(sizes)
    assert np.ptp(expected[0]) > 0.05
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_network_of_pytorch_is_not_called(trained, monkeypatch):
    cfg, file = trained
    predictor = Predictor(copy.deepcopy(cfg), file)
    image = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
    ((_, expected),) = predictor([('a', image)])
    use_onnx(predictor.model, 1)
    monkeypatch.setattr(predictor.model.backbone, 'forward', None)
    ((_, labels),) = predictor([('a', image)])
    np.testing.assert_array_equal(labels, expected)


def test_unknown_channels(trained):
    cfg, file = trained
    predictor = Predictor(copy.deepcopy(cfg), file)
    with pytest.raises(UsageError, match='needs the number of channels: set mean and std'):
        use_onnx(predictor.model, None)
