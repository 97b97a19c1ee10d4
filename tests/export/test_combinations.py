"""The encoders, necks and heads that README.md and docs/reuse.md combine, as exported models."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmseg_attn.export import PixelsToLogits, export_program
from mmseg_attn.export.files import load_onnx, save_onnx
from tests.export.small_models import calibrate

pytest.importorskip('onnxruntime', reason='needs the extra onnx')
pytest.importorskip('onnxscript', reason='needs the extra onnx')
pytest.importorskip('torch.export', reason='needs PyTorch 2.7')

ENCODERS = dict(  # two stages, at strides 4 and 8
    resnet=dict(
        type='ResNet',
        depth=18,
        base_channels=4,
        stem_channels=4,
        num_stages=2,
        strides=(1, 2),
        dilations=(1, 1),
        out_indices=(0, 1),
    ),
    mit=dict(
        type='MixVisionTransformer',
        embed_dims=4,
        num_stages=2,
        num_layers=[1, 1],
        num_heads=[1, 2],
        patch_sizes=[7, 3],
        strides=[4, 2],
        sr_ratios=[8, 4],
        out_indices=(0, 1),
    ),
    swin=dict(
        type='SwinTransformer',
        embed_dims=4,
        depths=(2, 2),
        num_heads=(1, 2),
        strides=(4, 2),
        out_indices=(0, 1),
    ),
)
CHANNELS = [4, 8]
NORM = dict(type='BN')
HEADS = dict(
    lfa=dict(type='LFAHead', window_size=7, norm_cfg=NORM),
    unet=dict(type='UNetHead', fusion=dict(type='AttentionGate', norm_cfg=NORM), norm_cfg=NORM),
    uper=dict(type='UPerHead', in_index=[0, 1], channels=8, pool_scales=(1, 3), norm_cfg=NORM),
)
NECKS = dict(
    da=dict(type='DABottleneck', channels=CHANNELS[-1]),
    csam=dict(type='CSAMSkip', in_channels=CHANNELS),
    hybrid=dict(type='HybridAttentionSkip', in_channels=CHANNELS),
    msam=dict(type='MSAMNeck', in_channels=CHANNELS, norm_cfg=NORM),
)
COMBINATIONS = [  # every encoder with every head, and every neck with several encoders
    ('resnet', None, 'lfa'), ('resnet', 'msam', 'unet'), ('resnet', 'csam', 'uper'),
    ('mit', None, 'lfa'), ('mit', 'da', 'unet'), ('mit', 'hybrid', 'uper'),
    ('swin', 'da', 'lfa'), ('swin', 'csam', 'unet'), ('swin', 'msam', 'uper'),
]  # fmt: skip
SIZES = [(1, 0, 0), (1, 41, 66), (2, 90, 73)]  # batch; height and width beyond the smallest
TOLERANCE = 1e-4


def test_every_part_is_combined():
    assert {(e, h) for e, _, h in COMBINATIONS} == {(e, h) for e in ENCODERS for h in HEADS}
    assert {n for _, n, _ in COMBINATIONS} == {None, *NECKS}


def small(encoder: str, neck: str | None, head: str) -> PixelsToLogits:
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True
        ),
        backbone=ENCODERS[encoder],
        neck=NECKS.get(neck),
        decode_head=dict(in_channels=CHANNELS, num_classes=3, **HEADS[head]),
        test_cfg=dict(mode='whole'),
    )
    model = MODELS.build(cfg)
    for name, parameter in model.named_parameters():
        if 'position' in name:  # zero in the beginning
            torch.nn.init.normal_(parameter)
    calibrate(model, 3)
    return PixelsToLogits(model, in_channels=3, color_type='color')


@pytest.mark.parametrize(('encoder', 'neck', 'head'), COMBINATIONS)
def test_both_formats_give_the_logits_and_the_labels(encoder, neck, head, tmp_path):
    module = small(encoder, neck, head)
    assert module.smallest == (65 if encoder == 'mit' else 33)
    program = export_program(module)
    save_onnx(program, tmp_path / 'model.onnx', {})
    run = load_onnx(tmp_path / 'model.onnx')
    for batch, *beyond in SIZES:
        image = 255 * torch.rand(batch, 3, *(module.smallest + more for more in beyond))
        with torch.no_grad():
            expected = module(image).numpy()
            from_program = program.module()(image).numpy()
        assert expected.std() > 0.1
        for logits in (run(image.numpy()), from_program):
            assert np.abs(logits - expected).max() < TOLERANCE
            np.testing.assert_array_equal(logits.argmax(axis=1), expected.argmax(axis=1))
