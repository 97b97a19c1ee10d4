"""The exported models of all systems against the models themselves."""

import numpy as np
import pytest
import torch

from mmseg_attn.apps.export import export_program
from mmseg_attn.apps.export.files import load_onnx, save_onnx
from tests.apps.export.small_models import small_model
from tests.test_configs import CONFIGS

pytest.importorskip('onnxruntime', reason='needs the extra onnx')
pytest.importorskip('onnxscript', reason='needs the extra onnx')

PLAINEST_LAST = sorted(CONFIGS, key=lambda path: (-len(path.stem), path.stem))
SYSTEMS = {path.parent.name: path for path in PLAINEST_LAST}
VARIANTS = dict(  # with what the plainest config does not have
    attention_unet_grid='attention-unet-grid_1xb8-1500e_drosophila-256x256',
    hybrid_unet='hybrid-unet-multiscale_1xb16-100e_cityscapes-512x1024',
)
SYSTEMS |= {name: path for path in CONFIGS for name in VARIANTS if path.stem == VARIANTS[name]}
THREE_LEVELS = ('fr_unet', 'sa_unet', 'segnet', 'unet', 'unet_plus_plus')  # odd sizes meet twice
SIZES = [(1, 64, 64), (2, 45, 67)]  # batch, height, width
TOLERANCE = 1e-4


def test_there_is_every_system():
    assert len(SYSTEMS) == 21
    assert set(THREE_LEVELS) < set(SYSTEMS)


@pytest.mark.parametrize('name', SYSTEMS)
def test_both_formats_give_the_logits_and_the_labels(name, tmp_path, monkeypatch):
    monkeypatch.setenv('PRETRAINED', 'none')
    module = small_model(SYSTEMS[name], every=2 if name in THREE_LEVELS else 4)
    program = export_program(module)
    save_onnx(program, tmp_path / 'model.onnx', {})
    run = load_onnx(tmp_path / 'model.onnx')
    for batch, height, width in SIZES:
        image = 255 * torch.rand(batch, module.in_channels, height, width)
        with torch.no_grad():
            expected = module(image).numpy()
            from_program = program.module()(image).numpy()
        assert expected.shape == (batch, module.model.out_channels, height, width)
        assert expected.std() > 0.1
        for logits in (run(image.numpy()), from_program):
            assert np.abs(logits - expected).max() < TOLERANCE
            np.testing.assert_array_equal(logits.argmax(axis=1), expected.argmax(axis=1))
