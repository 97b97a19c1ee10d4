import math

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmseg_attn.apps.export import PixelsToLogits
from mmseg_attn.apps.export.check import SIZES, compare
from mmseg_attn.errors import ExportError


def make(**head) -> PixelsToLogits:
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0], std=[60.0]),
        backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2, **head),
        test_cfg=dict(mode='whole'),
    )
    return PixelsToLogits(MODELS.build(cfg), in_channels=1, color_type='grayscale')


def shifted(module: PixelsToLogits, shift: float):
    """What the module computes, the logits of class 1 raised."""

    def run(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits = module(torch.from_numpy(image)).numpy()
        logits[:, -1] += shift
        return logits

    return run


def test_what_is_found_is_measured():
    module = make()
    found = compare(module, shifted(module, 5e-5))
    assert found.difference == pytest.approx(5e-5, rel=0.01)
    assert 0 < found.rounding < 1e-6
    assert 0.01 < found.largest < 1
    assert 0 <= found.labels < 10
    assert found.pixels == sum(batch * (33 + h) * (33 + w) for batch, h, w in SIZES)
    assert any((33 + side) % 2 for size in SIZES for side in size[1:])


@pytest.mark.parametrize('shift', [2e-4, math.nan])
def test_more_than_rounding_is_refused(shift):
    module = make()
    with pytest.raises(ExportError, match='differs from the model: the logits of 19863 of 19863'):
        compare(module, shifted(module, shift))


def with_errors(module: PixelsToLogits, place: tuple):
    """What the module computes, but for the logits at some rows and columns."""

    def run(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits = module(torch.from_numpy(image)).numpy()
        logits[(slice(None), 0, *place)] += 1
        return logits

    return run


@pytest.mark.parametrize('place', [np.s_[-1:, :], np.s_[:, -1:]], ids=['row', 'column'])
def test_a_wrong_border_is_refused(place):
    module = make()
    with pytest.raises(ExportError, match=r'differ by up to 1 \(largest logit: 0\.\d+\): try'):
        compare(module, with_errors(module, place))


def test_a_few_wrong_pixels_are_counted():
    module = make()
    found = compare(module, with_errors(module, np.s_[:3, :10]))
    assert found.outliers == 30 * sum(batch for batch, *_ in SIZES)
    assert found.difference == pytest.approx(1, rel=1e-3)


def test_what_differs_is_counted_by_the_threshold_of_a_single_logit():
    module = make(out_channels=1, threshold=0.5)
    module.model.decode_head.conv_seg.weight.data.zero_()
    module.model.decode_head.conv_seg.bias.data.fill_(-5e-5)
    found = compare(module, shifted(module, 9e-5))
    assert found.labels == found.pixels
    module.model.decode_head.threshold = 0.3
    assert compare(module, shifted(module, 9e-5)).labels == 0
