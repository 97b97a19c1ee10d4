"""Settings with which a segmentor cannot predict."""

import pytest
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS

from mmseg_attn.errors import DataError
from mmseg_attn.models.segmentors import check_settings

PAIRS = dict(mode='slide', crop_size=(40, 30), stride=(40, 10))


def segmentor(kind: str | type = 'EncoderDecoder', *, std: float = 1.0, **test_cfg):
    return MODELS.build(
        dict(
            type=kind,
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[0.0], std=[std]),
            backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
            decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2),
            test_cfg=test_cfg,
        )
    )


@pytest.mark.parametrize(
    ('test_cfg', 'message'),
    [
        (dict(mode='silde'), "mode='silde': set 'whole' or 'slide'"),
        (dict(mode='slide', crop_size=(40, 40)), 'stride=None: set height and width for both'),
        (dict(mode='slide', crop_size=40, stride=20), 'crop_size=40 and stride=20: set height'),
        (dict(PAIRS, stride=(20, 0)), r'stride=\(20, 0\): set height'),
        (dict(PAIRS, window_batch=0), 'window_batch=0: set the number of windows in a batch'),
        (dict(PAIRS, stride=(20, 31)), r'\(20, 31\) for windows of \(40, 30\), which leaves gaps'),
    ],
)
@pytest.mark.parametrize('kind', ['EncoderDecoder', 'LargeImageEncoderDecoder'])
def test_settings_without_a_meaning_are_refused(kind, test_cfg, message):
    with pytest.raises(DataError, match=message):
        check_settings(segmentor(kind, **test_cfg))


@pytest.mark.parametrize(
    ('kind', 'blend', 'valid'),
    [
        ('EncoderDecoder', 'uniform', True),
        ('EncoderDecoder', 'gaussian', False),
        ('LargeImageEncoderDecoder', 'gaussian', True),
        ('LargeImageEncoderDecoder', 'Gaussian', False),
    ],
)
def test_blending_that_the_segmentor_does_not_know_is_refused(kind, blend, valid):
    model = segmentor(kind, **PAIRS, blend=blend)
    if valid:
        check_settings(model)
        return
    with pytest.raises(DataError, match=f"blend='{blend}': set 'uniform', or 'gaussian' with"):
        check_settings(model)


@pytest.mark.parametrize(
    'test_cfg', [{}, dict(mode='whole'), PAIRS, ConfigDict(PAIRS, crop_size=[40, 30])]
)
def test_what_is_valid_passes(test_cfg):
    assert check_settings(segmentor(**test_cfg)) is None


def test_a_segmentor_with_modes_of_its_own_is_left_alone():
    class Flipping(EncoderDecoder):
        def inference(self, inputs, batch_img_metas):
            return inputs

    assert check_settings(segmentor(Flipping, mode='slide_flip')) is None


def test_a_division_by_zero_is_refused():
    with pytest.raises(DataError, match=r'std of data_preprocessor is \[0.0\], and images are div'):
        check_settings(segmentor(std=0.0))


@pytest.mark.parametrize(('channels', 'valid'), [(1, False), (2, True)])
def test_a_cascade_has_a_channel_per_class(channels, valid):
    heads = [
        dict(type='FCNHead', in_channels=4, channels=4, num_classes=2),
        dict(
            type='DepthwiseSeparableFCNHead',
            in_channels=4,
            channels=4,
            num_classes=2,
            out_channels=channels,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=channels == 1),
        ),
    ]
    cascade = MODELS.build(
        dict(
            type='CascadeEncoderDecoder',
            num_stages=2,
            backbone=dict(type='UNetEncoder', in_channels=1, channels=[2, 4]),
            decode_head=heads,
        )
    )
    if valid:
        check_settings(cascade)
    else:
        with pytest.raises(DataError, match='which MMSegmentation does not support there: set num'):
            check_settings(cascade)
