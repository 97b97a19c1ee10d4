"""Metrics have names without a prefix, and MMEngine has nothing to warn of."""

import mmengine.evaluator.metric
import pytest
import torch
from mmseg.registry import METRICS

from tests.libraries import needs_monai, needs_scikit_image


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        (dict(type='PerClassIoUMetric'), 'mIoU'),
        (dict(type='MAEMetric'), 'MAE'),
        (dict(type='LossMetric', loss_decode=dict(type='CrossEntropyLoss')), 'mean_loss'),
        (dict(type='BoundaryIoUMetric'), 'mBIoU'),
        (dict(type='AUCMetric'), 'mAUROC'),
        (dict(type='CalibrationMetric'), 'ECE'),
        pytest.param(dict(type='SurfaceMetric'), 'mHD95_px', marks=needs_monai),
        pytest.param(dict(type='MembraneMetric', membrane='gap'), 'VOI', marks=needs_scikit_image),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_names(config, name, monkeypatch):
    told = []
    monkeypatch.setattr(
        mmengine.evaluator.metric, 'print_log', lambda *args, **_: told.append(args)
    )
    metric = METRICS.build(config)
    metric.dataset_meta = dict(classes=['cell', 'gap'])
    labels, logits = torch.tensor([[[0, 1]]]), torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]])
    sample = dict(
        gt_sem_seg=dict(data=labels), pred_sem_seg=dict(data=labels), seg_logits=dict(data=logits)
    )
    metric.process({}, [sample])
    assert name in metric.evaluate(size=1)
    assert told == []
