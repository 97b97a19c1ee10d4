"""Several metrics where MMSegmentation's tools write into one."""

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmseg.registry import EVALUATOR

METRICS = [
    dict(type='mmseg.PerClassIoUMetric', iou_metrics=['mDice']),
    dict(type='mmseg.MAEMetric'),
]


def evaluate(evaluator: Evaluator) -> dict:
    evaluator.dataset_meta = dict(classes=('ground', 'cell'))
    sample = dict(
        pred_sem_seg=dict(data=torch.tensor([[[0, 1]]])),
        gt_sem_seg=dict(data=torch.tensor([[[0, 0]]])),
        img_path='folder/image.jpg',
    )
    evaluator.process([sample])
    return evaluator.evaluate(1)


def test_all_metrics_and_the_predictions(tmp_path):
    # what tools/test.py --out writes into the config
    out = dict(output_dir=str(tmp_path), keep_results=True)
    evaluator = EVALUATOR.build(dict(type='SegEvaluator', metrics=METRICS, **out))
    assert evaluate(evaluator) == evaluate(Evaluator(METRICS))
    assert [path.name for path in tmp_path.iterdir()] == ['image.png']


def test_the_settings_of_the_metric_itself_hold():
    cfg = dict(type='SegEvaluator', metrics=METRICS, iou_metrics=['mIoU'], background='ground')
    metrics = evaluate(EVALUATOR.build(cfg))
    assert metrics['mDice_without_background'] == pytest.approx(0)
    assert 'mIoU' not in metrics


def test_the_tool_writes_the_masks_of_the_metric_that_can(tmp_path):
    metrics = list(reversed(METRICS))
    evaluator = EVALUATOR.build(
        dict(type='SegEvaluator', metrics=metrics, output_dir=str(tmp_path), keep_results=True)
    )
    evaluate(evaluator)
    assert [path.name for path in tmp_path.iterdir()] == ['image.png']
    assert metrics == [*reversed(METRICS)]
