"""The windows that slide over an image, counted as the network sees them."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmseg_attn.apps.predict.windows import WindowCount


@pytest.mark.parametrize('kind', ['EncoderDecoder', 'LargeImageEncoderDecoder'])
@pytest.mark.parametrize(
    ('size', 'windows'),
    [((16, 16), 1), ((17, 16), 2), ((40, 28), 6), ((8, 8), 1), ((28, 28), 4)],
)
def test_every_window_is_counted(kind, size, windows):
    model = MODELS.build(
        dict(
            type=kind,
            backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
            decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2),
            test_cfg=ConfigDict(mode='slide', crop_size=(16, 16), stride=(12, 12)),
        )
    ).eval()
    count, seen = WindowCount(model), []
    count.watch = lambda *call: seen.append(call)
    count.start('x', [(1, *size)])
    assert count.total == windows
    with torch.no_grad():
        model.slide_inference(torch.zeros(1, 1, *size), [{}])
    assert seen == ([('x', i + 1, windows) for i in range(windows)] if windows > 1 else [])


@pytest.mark.parametrize(('batch', 'images', 'calls'), [(2, 1, [2, 3, 5, 6]), (3, 2, [3, 6])])
def test_windows_of_a_batch_are_counted_together(batch, images, calls):
    cfg = dict(mode='slide', crop_size=(16, 16), stride=(12, 12), window_batch=batch)
    model = MODELS.build(
        dict(
            type='LargeImageEncoderDecoder',
            backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
            decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2),
            test_cfg=ConfigDict(cfg),
        )
    ).eval()
    count, seen = WindowCount(model), []
    count.watch = lambda key, done, total: seen.append((done, total))
    count.start('x', [(1, 28, 40)], images)  # two rows of three windows
    with torch.no_grad():
        model.slide_inference(torch.zeros(images, 1, 28, 40), [{}] * images)
    assert seen == [(done, 6) for done in calls]


def test_versions_of_an_image_add_up():
    model = MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
            decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2),
            test_cfg=dict(mode='whole'),
        )
    )
    count = WindowCount(model)
    count.start('x', [(1, 40, 40)] * 3)
    assert count.total == 3
