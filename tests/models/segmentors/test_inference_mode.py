"""Settings of ``test_cfg`` that no mode of MMSegmentation understands."""

import pytest
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS

from mmseg_attn.errors import DataError
from mmseg_attn.models.segmentors import check_inference_mode

PAIRS = dict(mode='slide', crop_size=(40, 30), stride=(40, 10))


def segmentor(kind: str | type = 'EncoderDecoder', **test_cfg):
    return MODELS.build(
        dict(
            type=kind,
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
        (dict(PAIRS, stride=(20, 31)), r'\(20, 31\) for windows of \(40, 30\), which leaves gaps'),
    ],
)
@pytest.mark.parametrize('kind', ['EncoderDecoder', 'LargeImageEncoderDecoder'])
def test_settings_without_a_meaning_are_refused(kind, test_cfg, message):
    with pytest.raises(DataError, match=message):
        check_inference_mode(segmentor(kind, **test_cfg))


@pytest.mark.parametrize(
    'test_cfg', [{}, dict(mode='whole'), PAIRS, ConfigDict(PAIRS, crop_size=[40, 30])]
)
def test_what_is_valid_passes(test_cfg):
    assert check_inference_mode(segmentor(**test_cfg)) is None


def test_a_segmentor_with_modes_of_its_own_is_left_alone():
    class Flipping(EncoderDecoder):
        def inference(self, inputs, batch_img_metas):
            return inputs

    assert check_inference_mode(segmentor(Flipping, mode='slide_flip')) is None
