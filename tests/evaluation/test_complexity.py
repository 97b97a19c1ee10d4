import importlib.util
import sys

import pytest
from mmengine.config import Config

from mmseg_attn.errors import UsageError
from mmseg_attn.evaluation import complexity
from mmseg_attn.evaluation.input_shape import channels

counting = pytest.mark.skipif(
    importlib.util.find_spec('torch.utils.flop_counter') is None,
    reason='PyTorch counts FLOPs from 2.1 on',
)


def test_an_old_pytorch_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch.utils.flop_counter', None)
    with pytest.raises(
        UsageError, match=r'^counting FLOPs needs PyTorch 2\.1, but .* install 2\.1'
    ):
        complexity(dict(), (3, 8, 8))


@counting
def test_the_classic_unet():
    """31,037,698 parameters and 96.3 GFLOPs at 256x256 with 3 channels and 2 classes."""
    widths, norm_cfg = [64, 128, 256, 512, 1024], dict(type='BN')
    model = dict(
        type='EncoderDecoder',
        backbone=dict(type='UNetEncoder', channels=widths, norm_cfg=norm_cfg),
        decode_head=dict(type='UNetHead', in_channels=widths, num_classes=2, norm_cfg=norm_cfg),
    )
    parameters, flops = complexity(model, (3, 256, 256))
    assert parameters == 31_037_698
    assert round(flops / 1e9, 1) == 96.3


@counting
def test_attention_is_counted():
    def flops(window_size: int) -> int:
        head = dict(type='LFAHead', in_channels=[8, 16], num_classes=2, window_size=window_size)
        backbone = dict(type='UNetEncoder', channels=[8, 16])
        model = dict(type='EncoderDecoder', backbone=backbone, decode_head=head)
        return complexity(model, (3, 24, 24)).flops

    # two matrix products of 8 channels over windows of 4 ** 2 and 2 ** 2 pixels
    assert flops(4) - flops(2) == 2 * 2 * 8 * 24 * 24 * (16 - 4)


@counting
def test_attention_with_few_query_channels_counts_as_the_formula():
    def flops(neck: dict | None) -> int:
        head = dict(type='UNetHead', in_channels=[8, 16], num_classes=2)
        backbone = dict(type='UNetEncoder', channels=[8, 16])
        model = dict(type='EncoderDecoder', backbone=backbone, decode_head=head)
        return complexity(model | (dict(neck=neck) if neck else {}), (3, 24, 24)).flops

    positions, channels, few = 12 * 12, 16, 2
    projections = positions * channels * (few + few + channels)
    attention = positions * positions * (few + channels)
    neck = dict(type='DABottleneck', channels=channels)
    assert flops(neck) - flops(None) == 2 * (projections + attention)


def test_the_channels_of_an_ensemble_are_those_of_its_models():
    model = dict(backbone=dict(in_channels=7))
    for models in (model, [model, model]):
        cfg = Config(dict(model=dict(type='EnsembleSegmentor', models=models)))
        assert channels(cfg) == 7
