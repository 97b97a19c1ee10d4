import json

import pytest
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from mmseg_attn import __version__
from mmseg_attn.apps.export import PixelsToLogits, describe
from mmseg_attn.errors import ExportError

STEPS = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 32), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


def description(color_type='color', *, slide=None, head=None, steps=STEPS, **preprocessor) -> dict:
    """What an exported model says of itself, the JSON read."""
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', **preprocessor),
        backbone=dict(type='UNetEncoder', channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2, **(head or {})),
        test_cfg=slide or dict(mode='whole'),
    )
    module = PixelsToLogits(MODELS.build(cfg), in_channels=3, color_type=color_type)
    texts = describe(
        module, config='x', steps=steps, classes=['a', 'ü'], palette=[(0, 0, 0), (1, 2, 3)]
    )
    assert all(isinstance(text, str) for text in texts.values())
    words = ('input', 'output', 'config')
    return {name: text if name in words else json.loads(text) for name, text in texts.items()}


def test_classes_and_what_happens_to_an_image():
    found = description(bgr_to_rgb=True, mean=[1.1, 2, 3], std=[4, 5, 6.3])
    assert found['classes'] == ['a', 'ü']
    assert found['palette'] == [[0, 0, 0], [1, 2, 3]]
    assert found['preprocessing'] == dict(
        channels='RGB', steps=[dict(type='Resize', scale=[64, 32], keep_ratio=True)]
    )
    assert found['done_by_model'] == dict(
        mean=[1.1, 2, 3], std=[4, 5, 6.3], pad_size=None, pad_divisor=None, pad_value=0
    )
    assert found['window'] is found['threshold'] is None
    assert (found['config'], found['mmseg_attn']) == ('x', __version__)
    assert '(batch, 2, height, width); the label is the index of the largest' in found['output']


def test_bands_and_scale_of_a_raster_are_described():
    raster = dict(type='LoadRaster', bands=[4, 3, 2], scale=1e-4, offset=-0.1)
    steps = [raster, dict(type='LoadRasterAnnotations', num_classes=2), STEPS[-1]]
    found = description('unchanged', steps=steps)
    assert found['preprocessing'] == dict(channels='as stored', steps=[raster])


def test_neighbors_of_a_slice_are_described():
    load = dict(type='LoadNeighbors', neighbors=1, color_type='grayscale')
    found = description('grayscale', steps=[load, *STEPS[2:]])
    assert found['preprocessing']['steps'] == [load]


@pytest.mark.parametrize('settings', [dict(), dict(to_rgb=True)])
def test_a_step_that_swaps_colors_is_refused(settings):
    step = dict(type='Normalize', mean=[1, 2, 3], std=[4, 5, 6])
    with pytest.raises(ExportError, match='pipeline of x contains Normalize, which swaps red and'):
        description(steps=[*STEPS, step | settings])
    left = description(steps=[*STEPS, dict(step, to_rgb=False)])['preprocessing']['steps']
    assert left[-1]['type'] == 'Normalize'


def test_mean_and_deviation_are_in_the_order_of_the_input():
    found = description(mean=[1, 2, 3], std=[4, 5, 6])['done_by_model']
    assert (found['mean'], found['std']) == ([3, 2, 1], [6, 5, 4])


@pytest.mark.parametrize(
    ('color_type', 'name'), [('grayscale', 'gray'), ('unchanged', 'as stored')]
)
def test_channels_are_named(color_type, name):
    found = description(color_type)
    assert found['preprocessing']['channels'] == name
    assert found['done_by_model']['mean'] is found['done_by_model']['std'] is None


@pytest.mark.parametrize(
    ('padding', 'name'), [('size', 'pad_size'), ('size_divisor', 'pad_divisor')]
)
def test_padding(padding, name):
    value = [8, 9] if padding == 'size' else 8
    found = description(pad_val=7, test_cfg={padding: value})['done_by_model']
    assert found[name] == value
    assert found['pad_value'] == 7
    assert [found['pad_size'], found['pad_divisor']].count(None) == 1


def test_windows_and_the_threshold_of_a_single_logit():
    found = description(
        slide=dict(mode='slide', crop_size=(16, 32), stride=(8, 24)),
        head=dict(out_channels=1, threshold=0.4),
    )
    assert found['window'] == dict(crop_size=[16, 32], stride=[8, 24], blend='uniform')
    assert found['threshold'] == 0.4
    assert '1 where the sigmoid exceeds' in found['output']
