"""Metrics that need logits, and a model that keeps only labels."""

import math

import pytest
import torch
from mmseg.registry import METRICS

from mmseg_attn.errors import DataError

NEED_LOGITS = [
    dict(type='AUCMetric'),
    dict(type='CalibrationMetric'),
    dict(type='LossMetric', loss_decode=dict(type='CrossEntropyLoss')),
    dict(type='MAEMetric', on='probabilities'),
]


@pytest.mark.parametrize('cfg', NEED_LOGITS, ids=lambda cfg: cfg['type'])
def test_a_sample_without_logits_is_refused(cfg):
    metric, maps = METRICS.build(cfg), dict(data=torch.zeros(1, 4, 4, dtype=torch.long))
    metric.dataset_meta = dict(classes=['a', 'b'])
    with pytest.raises(DataError, match=f'^{cfg["type"]} needs logits, .* set keep_logits=True'):
        metric.process({}, [dict(pred_sem_seg=maps, gt_sem_seg=maps)])


@pytest.mark.parametrize('cfg', NEED_LOGITS, ids=lambda cfg: cfg['type'])
def test_logits_of_another_size_are_refused(cfg):
    metric = METRICS.build(cfg)
    metric.dataset_meta = dict(classes=['a', 'b'])
    label = torch.zeros(1, 5, 6, dtype=torch.long)
    maps = dict(seg_logits=torch.zeros(2, 6, 5), pred_sem_seg=torch.zeros_like(label).mT)
    sample = {name: dict(data=data) for name, data in (maps | dict(gt_sem_seg=label)).items()}
    with pytest.raises(DataError, match=r'a\.png has the shape \(6, 5\), .* shape \(5, 6\): load'):
        metric.process({}, [dict(img_path='a.png', **sample)])


@pytest.mark.parametrize('cfg', [NEED_LOGITS[1], NEED_LOGITS[3]], ids=lambda cfg: cfg['type'])
@pytest.mark.parametrize('logit', [math.nan, math.inf])
def test_a_labeled_pixel_without_probabilities_is_refused(cfg, logit):
    metric = METRICS.build(cfg)
    metric.dataset_meta = dict(classes=['a', 'b'])
    logits = torch.tensor([[[0, logit]], [[9, 0]]])
    maps = dict(seg_logits=logits, pred_sem_seg=torch.tensor([[[1, 0]]]))
    for label in ([1, 255], [1, 0]):
        maps['gt_sem_seg'] = torch.tensor([[label]])
        sample = dict(img_path='a.png', **{name: dict(data=data) for name, data in maps.items()})
        if 255 in label:
            metric.process({}, [sample])
            continue
        with pytest.raises(ValueError, match=r'no probabilities for a\.png, since some logits'):
            metric.process({}, [sample])
    assert all(0 <= value < 1e-3 for value in metric.evaluate(1).values())


def test_the_error_of_labels_needs_no_logits():
    metric, maps = METRICS.build(dict(type='MAEMetric')), dict(data=torch.ones(1, 4, 4).long())
    metric.dataset_meta = dict(classes=['a', 'b'])
    metric.process({}, [dict(pred_sem_seg=maps, gt_sem_seg=maps)])
    assert metric.evaluate(1) == dict(MAE=0)
