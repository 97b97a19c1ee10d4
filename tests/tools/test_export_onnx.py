"""An ONNX file, used by someone who has nothing else."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_attn.datasets.conversion import ConversionError
from mmseg_attn.prediction import Predictor
from tools import export_onnx

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
onnxruntime = pytest.importorskip('onnxruntime', reason='needs the extra onnx')
pytest.importorskip('onnxscript', reason='needs the extra onnx')


@pytest.fixture
def checkpoint(root, tmp_path):
    """Weights with normalisations that fit them."""
    model = MODELS.build(Config.fromfile(root / CONFIG).model)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(2, 1, 64, 64))
    path = tmp_path / 'weights.pth'
    torch.save(model.state_dict(), path)
    return path


def test_the_file_is_enough_to_predict(root, checkpoint):
    command = [sys.executable, '-W', 'ignore', root / 'tools/export_onnx.py', CONFIG, checkpoint]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert 'classes: ["membrane", "mitochondria", ' in done.stdout

    session = onnxruntime.InferenceSession(str(checkpoint.with_suffix('.onnx')))
    metadata = session.get_modelmeta().custom_metadata_map
    preprocessing = json.loads(metadata['preprocessing'])
    assert preprocessing['channels'] == 'grey'
    assert preprocessing['steps'] == []
    picture = np.random.default_rng(0).integers(0, 256, (75, 101), np.uint8)
    mean, std = (np.array(preprocessing[name], np.float32) for name in ('mean', 'std'))
    image = ((picture - mean) / std).astype(np.float32)[None, None]
    (logits,) = session.run(['logits'], dict(image=image))

    predictor = Predictor(Config.fromfile(root / CONFIG), checkpoint)
    ((_, expected),) = predictor([(0, picture)])
    assert len(np.unique(expected)) > 1
    assert np.array_equal(logits[0].argmax(axis=0), expected)
    assert json.loads(metadata['classes']) == predictor.classes
    assert json.loads(metadata['palette']) == predictor.palette


def test_a_torch_program_on_request(root, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    export_onnx.main([CONFIG, str(checkpoint), '--out', str(tmp_path / 'new' / 'x.pt2')])
    assert torch.export.load(tmp_path / 'new' / 'x.pt2')


def test_missing_files_are_one_sentence(root, checkpoint, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(ConversionError, match=r'nothing\.py is missing'):
        export_onnx.main(['nothing.py', str(checkpoint)])
    with pytest.raises((ConversionError, OSError), match=r'nothing\.pth'):
        export_onnx.main([CONFIG, 'nothing.pth'])
