"""Exported files, used by someone who has nothing else."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_attn.apps.export import files
from mmseg_attn.apps.predict import Predictor, write_temperature
from mmseg_attn.errors import CheckpointError, UsageError
from tests.apps.export.small_models import calibrate
from tests.processes import HANG
from tools import export_onnx

needs_onnx = pytest.mark.skipif(
    not all(map(files.find_spec, ('onnx', 'onnxscript', 'onnxruntime'))),
    reason='needs the extra onnx',
)
GRAY = 'unet/unet-b16_1xb4-600i_drosophila-128x128.py'
COLOR = 'unet/unet_1xb8-300e_floodnet-512x512.py'
SLIDE = dict(test_cfg=dict(mode='slide', crop_size=(48, 64), stride=(32, 40)))
BLENDED = dict(type='LargeImageEncoderDecoder', test_cfg=dict(SLIDE['test_cfg'], blend='gaussian'))
ONE_LOGIT = dict(
    decode_head=dict(
        num_classes=2,
        out_channels=1,
        threshold=0.4,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True, _delete_=True),
    )
)
TWO_CLASSES = dict(metainfo=dict(classes=['membrane', 'synapse'], palette=[[0, 0, 0], [255, 0, 0]]))
RESIZE = dict(
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(96, 64), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
)

UNCHANGED = dict(
    pipeline=[
        dict(type='LoadImageFromFile', color_type='unchanged'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
)


@pytest.fixture
def make(root, tmp_path, monkeypatch):
    """Make a config with a small model, and weights."""
    monkeypatch.chdir(tmp_path)

    def make(base: str, model: dict | None = None, dataset: dict | None = None) -> list[str]:
        cfg = Config.fromfile(root / 'configs' / base)
        small = dict(backbone=dict(channels=[4, 8]), decode_head=dict(in_channels=[4, 8]))
        for changes in (small, model or {}):
            cfg.merge_from_dict(dict(model=copy.deepcopy(changes)))
        cfg.merge_from_dict(dict(test_dataloader=dict(dataset=dataset or {})))
        cfg.dump('small.py')
        model = MODELS.build(cfg.model)
        calibrate(model, cfg.model.backbone.in_channels)
        torch.save(model.state_dict(), 'weights.pth')
        return ['small.py', 'weights.pth']

    return make


@needs_onnx
@pytest.mark.parametrize(
    ('base', 'model', 'dataset'),
    [
        (GRAY, BLENDED, {}),
        (COLOR, {}, RESIZE),
        (GRAY, ONE_LOGIT, TWO_CLASSES),
        (COLOR, {}, UNCHANGED),
    ],
    ids=['gray in windows', 'color resized', 'one logit', 'as stored'],
)
def test_the_program_in_the_docs_predicts_what_the_model_predicts(
    base, model, dataset, make, root, tmp_path, capsys
):
    config, checkpoint = make(base, model, dataset)
    temperature = 2.5 if model == ONE_LOGIT else 1
    if temperature != 1:
        write_temperature(Path(checkpoint), temperature)
    export_onnx.main([config, checkpoint])
    told = capsys.readouterr().out
    assert 'and the labels differ at 0 of 19863 pixels' in told
    line = 'weights.pth: logits divided by the temperature 2.5 of weights.temperature.json\n'
    assert (line in told) == (temperature != 1)

    blocks = re.findall(r'```python\n(.*?)```', (root / 'docs/export.md').read_text(), re.S)
    (program,) = (block for block in blocks if 'onnxruntime' in block)
    (tmp_path / 'predict_onnx.py').write_text(program)
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (75, 101, 3), np.uint8)[..., : 3 if base == COLOR else 1]
    cv2.imwrite('image.png', image)
    done = subprocess.run(
        [sys.executable, 'predict_onnx.py', 'weights.onnx', 'image.png', 'mask.png'],
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr

    predictor = Predictor(Config.fromfile(config), checkpoint)
    ((_, expected),) = predictor([(0, image.squeeze())])
    mask = cv2.imread('mask.png', cv2.IMREAD_UNCHANGED)
    assert len(np.unique(expected)) > 1
    assert (mask == expected).mean() > 0.999  # resizing in another library moves a tie
    assert f'{predictor.classes[1]}: {(mask == 1).sum()} pixels' in done.stdout
    if temperature != 1:  # the threshold of 0.4 moves with it, so that the labels above stay
        check_logits(predictor.model, temperature)


def check_logits(network: torch.nn.Module, temperature: float) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession('weights.onnx')
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata['temperature']) == {'weights.pth': temperature}
    image = np.random.default_rng(0).uniform(0, 255, (1, 1, 40, 50)).astype(np.float32)
    (logits,) = session.run(['logits'], {'image': image})
    with torch.no_grad():
        plain = network((torch.from_numpy(image) - 128.6) / 54.7).double().numpy()
    assert abs(plain).max() > 0.1
    np.testing.assert_allclose(logits, plain / temperature, atol=1e-4)


def test_a_torch_program_on_request(make, tmp_path, capsys):
    arguments = make(GRAY)
    export_onnx.main([*arguments, '--format', 'torch', '--out', 'new/model.pt2'])
    told = capsys.readouterr()
    assert 'tracing the model ...' in told.err
    assert 'classes: ["membrane", "mitochondria", ' in told.out
    assert re.search(r'new/model\.pt2 \(0\.\d MiB\): the logits differ', told.out)
    program = torch.export.load('new/model.pt2').module()
    predictor = Predictor(Config.fromfile('small.py'), 'weights.pth')
    gray = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    ((_, expected),) = predictor([(0, gray)])
    labels = program(torch.from_numpy(gray)[None, None].float()).argmax(1)[0]
    np.testing.assert_array_equal(labels.numpy(), expected)


@pytest.mark.parametrize(
    ('change', 'arguments', 'message'),
    [
        ((0, 'nothing.py'), [], r'nothing\.py is missing: name a config'),
        ((1, 'nothing.pth'), [], r'nothing\.pth'),
        ((1, 'small.py'), [], r'small\.py cannot be read as a checkpoint'),
        ((0, 'small.py'), ['--out', 'x.pt2'], r'x\.pt2 does not end in \.onnx'),
        ((0, 'small.py'), ['--out', 'x.onnx', '--format', 'torch'], r'does not end in \.pt2'),
    ],
    ids=['config', 'checkpoint', 'text', 'suffix', 'format'],
)
def test_mistakes_are_one_sentence_and_write_nothing(change, arguments, message, make, tmp_path):
    words = make(GRAY)
    words[change[0]] = change[1]
    before = sorted(tmp_path.iterdir())
    with pytest.raises((UsageError, CheckpointError), match=message):
        export_onnx.main([*words, *arguments])
    assert sorted(tmp_path.iterdir()) == before


def test_weights_of_another_model(make, tmp_path):
    words = make(GRAY)
    torch.save(dict(state_dict=torch.nn.Linear(2, 2).state_dict()), 'weights.pth')
    with pytest.raises(CheckpointError, match=r'weights\.pth is from another model'):
        export_onnx.main(words)


def test_a_file_that_was_not_compared_is_said_to_be():
    assert 'pip install onnxruntime' in export_onnx.verdict(None)
