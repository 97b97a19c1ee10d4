"""Divided logits by hand, in every way in which a segmentor predicts."""

import copy
import math

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_attn.errors import UsageError
from mmseg_attn.models.label_rule import stored_probabilities
from mmseg_attn.models.temperature import set_temperature, uncalibrated_probabilities

SLIDE = dict(mode='slide', crop_size=(16, 20), stride=(11, 13), keep_logits=True)
T = 2.5


def build(channels: int = 3, kind: str = 'EncoderDecoder', threshold: float = 0.3, **test_cfg):
    head = dict(type='UNetHead', in_channels=[4, 8], num_classes=max(2, channels))
    if channels == 1:
        head |= dict(out_channels=1, threshold=threshold)
    cfg = ConfigDict(
        type=kind,
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(type='UNetEncoder', channels=[4, 8]),
        decode_head=dict(head, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)),
        test_cfg=test_cfg or dict(mode='whole'),
    )
    torch.manual_seed(0)
    model = MODELS.build(cfg).eval()
    classify = model.decode_head.conv_seg  # with an opinion on each pixel
    classify.weight.data = 20 * (classify.weight - classify.weight.mean(1, keepdim=True))
    classify.bias.data.zero_()
    if channels == 1:  # so that the threshold divides the pixels
        with torch.no_grad():
            classify.bias -= model(torch.randn(1, 3, 32, 32)).mean() - math.log(
                threshold / (1 - threshold)
            )
    return model


def sample(*size: int, **meta) -> SegDataSample:
    return SegDataSample(metainfo=dict(dict(ori_shape=size, img_shape=size), **meta))


def by_hand(logits: torch.Tensor) -> torch.Tensor:
    """The probabilities of logits ``(C, H, W)``."""
    exponentials = (logits.double() / T).exp()
    if len(logits) > 1:
        return exponentials / exponentials.sum(0)
    return torch.cat([1 / (1 + exponentials), exponentials / (1 + exponentials)])


@pytest.mark.parametrize('channels', [3, 1])
@pytest.mark.parametrize(
    ('kind', 'test_cfg'),
    [
        ('EncoderDecoder', {}),
        ('EncoderDecoder', SLIDE),
        ('LargeImageEncoderDecoder', SLIDE),
        ('LargeImageEncoderDecoder', dict(SLIDE, blend='gaussian')),
    ],
)
@pytest.mark.parametrize(
    'meta', [{}, dict(ori_shape=(40, 30), flip=True, flip_direction='vertical')]
)
@torch.no_grad()
def test_probabilities_are_those_of_the_divided_logits(channels, kind, test_cfg, meta):
    model = build(channels, kind, **test_cfg)
    image = torch.randn(1, 3, 27, 33)
    meta = sample(27, 33, **meta).metainfo
    # MMSegmentation's own steps, with two channels so that it keeps the logits of a single one
    logits = model.inference(image, [dict(meta)])
    doubled = logits if channels > 1 else torch.cat([logits, logits], 1)
    (plain,) = model.postprocess_result(doubled, [SegDataSample(metainfo=meta)])
    (before,) = model.predict(image, [SegDataSample(metainfo=meta)])
    set_temperature(model, T)
    (after,) = model.predict(image, [SegDataSample(metainfo=meta)])

    stored = after.seg_logits.data
    expected = by_hand(plain.seg_logits.data[:channels]).float()
    torch.testing.assert_close(stored_probabilities(stored), expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(before.pred_sem_seg.data, after.pred_sem_seg.data)
    assert len(after.pred_sem_seg.data.unique()) > 1
    undone = uncalibrated_probabilities(stored, T).float()
    expected = stored_probabilities(before.seg_logits.data)
    torch.testing.assert_close(undone, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(('threshold', 'moved'), [(0.5, 0.5), (0.3, 1 / (1 + (7 / 3) ** (1 / T)))])
def test_the_threshold_moves_so_that_the_labels_stay(threshold, moved):
    model = build(1, threshold=threshold)
    set_temperature(model, T)
    assert model.decode_head.threshold == pytest.approx(moved, abs=1e-12)
    extreme = build(1, threshold=threshold)
    set_temperature(extreme, 1e-6)
    assert extreme.decode_head.threshold == pytest.approx(0.5 if threshold == 0.5 else 0)


@torch.no_grad()
def test_logits_of_half_precision_are_divided_in_single_precision():
    model = build()
    image, meta = torch.randn(1, 3, 16, 20), [sample(16, 20).metainfo]
    with torch.autocast('cpu'):
        half = model.encode_decode(image, meta)
        set_temperature(model, T)
        divided = model.encode_decode(image, meta)
    assert (half.dtype, divided.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(divided, half.float() / T)


@torch.no_grad()
def test_a_copy_has_its_own_weights():
    model, image, meta = build(), torch.randn(1, 3, 16, 20), [sample(16, 20).metainfo]
    set_temperature(model, T)
    expected = model.encode_decode(image, meta)
    other = copy.deepcopy(model)
    other.decode_head.conv_seg.weight.zero_()
    assert other.encode_decode(image, meta).abs().max() == 0
    assert torch.equal(model.encode_decode(image, meta), expected)


def test_a_single_probability_that_is_one_stays_one():
    stored = torch.tensor([[[1.0, 0.0, 1 / (1 + math.exp(-0.5))]]])
    p = uncalibrated_probabilities(stored, 4)
    assert p[1].flatten().tolist() == pytest.approx([1, 0, 1 / (1 + math.exp(-2))])


@pytest.mark.parametrize('value', [0, -1, math.nan, math.inf, 1e-9])
def test_a_temperature_out_of_all_proportion_is_refused(value):
    with pytest.raises(UsageError, match=r'the temperature is .*: set a number from 1e-06'):
        set_temperature(build(), value)


def test_segmentors_that_predict_in_their_own_way_are_refused():
    model = build()
    model.__class__ = type('Own', (type(model),), dict(inference=lambda *args: None))
    with pytest.raises(UsageError, match='Own predicts in its own way'):
        set_temperature(model, T)
