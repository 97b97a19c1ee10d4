from math import exp

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from tests.measures import LargestTensor


def build(kind: str, *, classes: int = 10, **test_cfg):
    torch.manual_seed(1)
    head = dict(type='UNetHead', in_channels=[4, 8], num_classes=classes)
    if classes == 2:
        head |= dict(out_channels=1, threshold=0.4)
    return MODELS.build(
        ConfigDict(
            type=kind,
            backbone=dict(type='UNetEncoder', channels=[4, 8]),
            decode_head=dict(head, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)),
            test_cfg=dict(mode='slide', crop_size=(16, 20), stride=(11, 13), **test_cfg),
        )
    ).eval()


def samples(size, count: int = 1, **meta) -> list[SegDataSample]:
    meta = dict(ori_shape=size, img_shape=size, **meta)
    return [SegDataSample(metainfo=meta) for _ in range(count)]


@torch.no_grad()
def both(size, *, classes: int = 10, count: int = 1, meta: dict | None = None, **test_cfg):
    """Predictions of MMSegmentation's model and of ours with the same weights."""
    image = torch.randn(count, 3, *size)
    return [
        build(kind, classes=classes, **cfg).predict(image, samples(size, count, **(meta or {})))
        for kind, cfg in (('EncoderDecoder', {}), ('LargeImageEncoderDecoder', test_cfg))
    ]


@pytest.mark.parametrize('size', [(16, 20), (27, 33), (28, 34), (50, 61), (9, 61), (50, 7), (5, 6)])
@pytest.mark.parametrize('classes', [10, 2])
def test_labels_are_those_of_mmsegmentation(size, classes):
    theirs, ours = both(size, classes=classes, count=2)
    for a, b in zip(theirs, ours, strict=True):
        assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)
        assert a.pred_sem_seg.data.dtype == b.pred_sem_seg.data.dtype
        assert 'seg_logits' not in b


@pytest.mark.parametrize('size', [(27, 33), (50, 61), (5, 6)])
def test_logits_are_bit_for_bit_those_of_mmsegmentation(size):
    (a,), (b,) = both(size, keep_logits=True)
    assert torch.equal(a.seg_logits.data, b.seg_logits.data)
    assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


@pytest.mark.parametrize(
    'meta',
    [
        dict(flip=True, flip_direction='horizontal'),
        dict(flip=False),
        dict(ori_shape=(40, 50)),
        dict(img_padding_size=[1, 2, 3, 4]),
    ],
)
def test_logits_are_kept_where_they_are_merged_or_resized(meta):
    size = (50, 61)
    image = torch.randn(1, 3, *size)
    given = dict(ori_shape=size, img_shape=size) | meta
    predictions = []
    for kind in ('EncoderDecoder', 'LargeImageEncoderDecoder'):
        with torch.no_grad():
            (sample,) = build(kind).predict(image, [SegDataSample(metainfo=given)])
        predictions.append(sample)
    assert torch.equal(predictions[0].seg_logits.data, predictions[1].seg_logits.data)
    assert torch.equal(predictions[0].pred_sem_seg.data, predictions[1].pred_sem_seg.data)


def test_nothing_of_the_size_of_all_logits_is_made():
    height, width, classes = 200, 60, 10
    image = torch.randn(1, 3, height, width)
    largest = {}
    for kind in ('EncoderDecoder', 'LargeImageEncoderDecoder'):
        with torch.no_grad(), LargestTensor() as watch:
            build(kind).predict(image, samples((height, width)))
        largest[kind] = watch.elements
    assert largest['EncoderDecoder'] == classes * height * width
    assert largest['LargeImageEncoderDecoder'] == max(classes * 16 * width, height * width)


def test_without_data_samples_and_in_whole_mode():
    image = torch.randn(1, 3, 30, 40)
    model = build('LargeImageEncoderDecoder')
    with torch.no_grad():
        (sample,) = model.predict(image)
        assert sample.pred_sem_seg.data.shape == (1, 30, 40)
        model.test_cfg.mode = 'whole'
        (sample,) = model.predict(image, samples((30, 40)))
    assert sample.seg_logits.data.shape == (10, 30, 40)


def test_pixels_between_the_windows_are_refused():
    model = build('LargeImageEncoderDecoder')
    model.test_cfg.stride = (17, 13)
    with pytest.raises(ValueError, match='crop_size 16 and stride 17'):
        model.predict(torch.randn(1, 3, 50, 61), samples((50, 61)))


@pytest.mark.parametrize('size', [(16, 20), (27, 33), (50, 61), (9, 61), (5, 6)])
@torch.no_grad()
def test_gaussian_windows_are_the_weighted_mean_written_out(size):
    model = build('LargeImageEncoderDecoder', keep_logits=True, blend='gaussian')
    image = torch.randn(2, 3, *size)
    height, width = min(size[0], 16), min(size[1], 20)

    def weight(position: int, side: int) -> float:
        return exp(-(((position - (side - 1) / 2) / (side / 8)) ** 2) / 2)

    window_weights = torch.tensor(
        [[weight(row, height) * weight(column, width) for column in range(width)]
         for row in range(height)]
    )  # fmt: skip
    total, count = torch.zeros(2, 10, *size), torch.zeros(size)
    tops = sorted({min(top, size[0] - height) for top in range(0, size[0], 11)})
    lefts = sorted({min(left, size[1] - width) for left in range(0, size[1], 13)})
    for top in tops:
        for left in lefts:
            here = (..., slice(top, top + height), slice(left, left + width))
            total[here] += model(image[here]) * window_weights
            count[here] += window_weights
    predicted = model.predict(image, samples(size, 2))
    for sample, expected in zip(predicted, total / count, strict=True):
        torch.testing.assert_close(sample.seg_logits.data, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_borders_of_windows_cannot_be_seen_with_gaussian_blending(monkeypatch):
    """A network that errs at the border of what it sees: by 1 in the outermost two pixels."""

    def encode_decode(inputs, metas):
        logits = torch.zeros(len(inputs), 10, *inputs.shape[2:])
        logits[..., 2:-2, 2:-2] = 1
        return logits

    errors = {}
    for blend in ('uniform', 'gaussian'):
        model = build('LargeImageEncoderDecoder', keep_logits=True, blend=blend)
        monkeypatch.setattr(model, 'encode_decode', encode_decode)
        (sample,) = model.predict(torch.zeros(1, 3, 49, 59), samples((49, 59)))
        errors[blend] = (1 - sample.seg_logits.data[:, 3:-3, 3:-3]).abs().max()
    assert errors['uniform'] >= 0.5
    assert errors['gaussian'] < 0.1


@pytest.mark.parametrize('number', [2, 3, 99])
@pytest.mark.parametrize('blend', ['uniform', 'gaussian'])
def test_windows_in_batches_give_the_same(number, blend):
    image = torch.randn(2, 3, 50, 61)
    model = build('LargeImageEncoderDecoder', blend=blend)
    seen = []
    model.backbone.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    with torch.no_grad():
        expected = model.slide_inference(image, [{}, {}])
        alone = len(seen)
        model.test_cfg.window_batch = number
        actual = model.slide_inference(image, [{}, {}])
    torch.testing.assert_close(actual, expected)
    assert max(seen[alone:]) == 2 * min(number, 5)  # images times windows of a row
    assert sum(seen[alone:]) == sum(seen[:alone])
