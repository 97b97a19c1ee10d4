"""The encoders, necks and heads that README.md and docs/reuse.md combine, as exported models."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmseg_attn.apps.export import PixelsToLogits, export_program
from mmseg_attn.apps.export.files import find_spec, load_onnx, save_onnx
from tests.apps.export.small_models import calibrate
from tests.apps.export.test_program import needs_export

pytestmark = needs_export
HAS_ONNX = all(map(find_spec, ('onnx', 'onnxscript', 'onnxruntime')))

NORM = dict(type='BN')
DEEP = dict(stem_channels=4, strides=(1, 2, 2), dilations=(1, 1, 1), num_stages=3)
ENCODERS = dict(  # the first stages, at strides 4, 8 and 16
    resnet=dict(type='ResNet', depth=18, base_channels=4, out_indices=(0, 1, 2), **DEEP),
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
        depths=(2, 1),
        num_heads=(1, 2),
        strides=(4, 2),
        out_indices=(0, 1),
    ),
)
CHANNELS = dict(resnet=[4, 8, 16], mit=[4, 8], swin=[4, 8])
HEADS = dict(
    lfa=dict(type='LFAHead', window_size=7),
    unet=dict(type='UNetHead', fusion=dict(type='AttentionGate', norm_cfg=NORM)),
    uper=dict(type='UPerHead', channels=8, pool_scales=(1, 3)),
)
NECKS = dict(
    da='DABottleneck', csam='CSAMSkip', hybrid='HybridAttentionSkip', msam='MSAMNeck', none=None
)
COMBINATIONS = [  # every encoder with every head, and every neck
    ('resnet', 'none', 'lfa'), ('resnet', 'msam', 'unet'), ('resnet', 'csam', 'uper'),
    ('mit', 'none', 'lfa'), ('mit', 'da', 'unet'), ('mit', 'hybrid', 'uper'),
    ('swin', 'da', 'lfa'), ('swin', 'csam', 'unet'), ('swin', 'hybrid', 'uper'),
]  # fmt: skip
AS_ONNX = COMBINATIONS[::4]  # every encoder and every head once: it takes three times as long
SIZES = [(1, 0, 0), (1, 41, 66), (2, 90, 73)]  # batch; height and width beyond the smallest
TOLERANCE = 1e-4


def test_every_part_is_combined():
    assert {(e, h) for e, _, h in COMBINATIONS} == {(e, h) for e in ENCODERS for h in HEADS}
    assert {n for _, n, _ in COMBINATIONS} == set(NECKS)
    assert {e for e, _, _ in AS_ONNX} == set(ENCODERS)
    assert {h for _, _, h in AS_ONNX} == set(HEADS)


def small(encoder: str, neck: str, head: str) -> PixelsToLogits:
    channels = CHANNELS[encoder]
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True
        ),
        backbone=ENCODERS[encoder],
        decode_head=dict(
            in_channels=channels,
            in_index=list(range(len(channels))),
            num_classes=3,
            norm_cfg=NORM,
            **HEADS[head],
        ),
        test_cfg=dict(mode='whole'),
    )
    if neck == 'da':
        cfg.neck = dict(type=NECKS[neck], channels=channels[-1])
    elif neck != 'none':
        cfg.neck = dict(type=NECKS[neck], in_channels=channels)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    for name, parameter in model.named_parameters():
        if 'position' in name:  # zero in the beginning
            torch.nn.init.normal_(parameter)
    calibrate(model, 3)
    return PixelsToLogits(model, in_channels=3, color_type='color')


@pytest.mark.parametrize(('encoder', 'neck', 'head'), COMBINATIONS)
def test_files_give_the_logits_and_the_labels(encoder, neck, head, tmp_path):
    module = small(encoder, neck, head)
    assert module.smallest == (65 if encoder == 'mit' else 33)
    program = export_program(module)
    runs = [lambda image: program.module()(torch.from_numpy(image)).numpy()]
    if (encoder, neck, head) in AS_ONNX and HAS_ONNX:
        save_onnx(program, tmp_path / 'model.onnx', {})
        runs.append(load_onnx(tmp_path / 'model.onnx'))
    for batch, *beyond in SIZES:
        image = 255 * torch.rand(batch, 3, *(module.smallest + more for more in beyond))
        with torch.no_grad():
            expected = module(image).numpy()
        assert expected.std() > 0.1
        for run in runs:
            with torch.no_grad():
                logits = run(image.numpy())
            # LFA does not scale its scores, so rounding grows with them
            assert np.abs(logits - expected).max() < TOLERANCE * np.abs(expected).max()
            assert (logits.argmax(axis=1) != expected.argmax(axis=1)).mean() < TOLERANCE
