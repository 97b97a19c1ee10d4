"""Data samples of small label maps, and metrics on them."""

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS


def sample(predicted: list, label: list, **meta) -> dict:
    """A sample of two label maps, given as lists of rows."""
    data = dict(pred_sem_seg=predicted, gt_sem_seg=label)
    maps = {name: dict(data=torch.tensor(rows)[None]) for name, rows in data.items()}
    return dict(img_path='image.png', **maps) | meta


def build(config: dict, classes: tuple[str, ...], **meta) -> BaseMetric:
    metric = METRICS.build(config)
    metric.dataset_meta = dict(classes=classes, **meta)
    return metric


def evaluate(metric: BaseMetric, *samples: dict) -> dict[str, float]:
    for each in samples:
        metric.process({}, [each])
    return metric.evaluate(len(samples))
