"""Metrics that need logits, and a model that keeps only labels."""

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


def test_the_error_of_labels_needs_no_logits():
    metric, maps = METRICS.build(dict(type='MAEMetric')), dict(data=torch.ones(1, 4, 4).long())
    metric.dataset_meta = dict(classes=['a', 'b'])
    metric.process({}, [dict(pred_sem_seg=maps, gt_sem_seg=maps)])
    assert metric.evaluate(1) == dict(MAE=0)
