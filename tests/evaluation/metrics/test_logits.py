"""Metrics that need logits, and a model that keeps only labels."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import METRICS, MODELS

from mmseg_attn.errors import DataError

NEED_LOGITS = [
    dict(type='AUCMetric'),
    dict(type='CalibrationMetric'),
    dict(type='LossMetric', loss_decode=dict(type='CrossEntropyLoss')),
    dict(type='MAEMetric', on='probabilities'),
]
kinds = pytest.mark.parametrize('cfg', NEED_LOGITS, ids=lambda cfg: cfg['type'])


def build(kind: str = 'LargeImageEncoderDecoder', **test_cfg) -> torch.nn.Module:
    cfg = ConfigDict(
        type=kind,
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(type='UNetEncoder', channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=2),
        test_cfg=dict(mode='slide', crop_size=(16, 16), stride=(8, 8)) | test_cfg,
    )
    return MODELS.build(cfg)


@kinds
def test_a_model_that_keeps_only_labels_is_refused_at_the_start(cfg):
    metric = METRICS.build(cfg)
    with pytest.raises(DataError, match=rf'^{cfg["type"]} needs logits, .*keep_logits=True'):
        metric.check_model(build())
    metric.check_model(build(keep_logits=True))
    metric.check_model(build(mode='whole'))
    metric.check_model(build('EncoderDecoder'))


@kinds
def test_a_sample_without_logits_is_refused(cfg):
    metric, maps = METRICS.build(cfg), dict(data=torch.zeros(1, 4, 4, dtype=torch.long))
    metric.dataset_meta = dict(classes=['a', 'b'])
    with pytest.raises(DataError, match=rf'^{cfg["type"]} needs logits, .*keep_logits=True'):
        metric.process({}, [dict(pred_sem_seg=maps, gt_sem_seg=maps)])


def test_the_error_of_labels_needs_no_logits():
    metric, maps = METRICS.build(dict(type='MAEMetric')), dict(data=torch.ones(1, 4, 4).long())
    metric.dataset_meta = dict(classes=['a', 'b'])
    metric.check_model(build())
    metric.process({}, [dict(pred_sem_seg=maps, gt_sem_seg=maps)])
    assert metric.evaluate(1) == dict(MAE=0)
