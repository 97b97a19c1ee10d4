"""Areas by counting, and the same scores as PerClassIoUMetric from their sums."""

import json

import pytest
import torch
from mmseg.registry import METRICS

from mmseg_attn.apps.runs.statistics import scores

CLASSES = ['a', 'b', 'c']


def sample(path: str, predicted: list, label: list) -> dict:
    return dict(
        img_path=path,
        pred_sem_seg=dict(data=torch.tensor([predicted])),
        gt_sem_seg=dict(data=torch.tensor([label])),
    )


def evaluate(samples: list[dict], **config) -> dict:
    metric = METRICS.build(config)
    metric.dataset_meta = dict(classes=CLASSES)
    for one in samples:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


@pytest.fixture
def samples() -> list[dict]:
    return [
        sample('/data/images/x/1.png', [[0, 0], [1, 2]], [[0, 1], [1, 255]]),
        sample('/data/images/2.png', [[1, 1]], [[1, 0]]),
    ]


def test_areas_are_counted(samples, tmp_path):
    out = tmp_path / 'new/areas.json'
    assert evaluate(samples, type='ImageAreasMetric', out_file=str(out)) == {}
    assert json.loads(out.read_text()) == dict(
        classes=CLASSES,
        images={
            # intersection, prediction, label; the last pixel of the first image is ignored
            'x/1.png': [[1, 1, 0], [2, 1, 0], [1, 2, 0]],
            '2.png': [[0, 1, 0], [0, 2, 0], [1, 1, 0]],
        },
    )


def test_the_ignored_label_can_be_set(samples, tmp_path):
    out = tmp_path / 'areas.json'
    evaluate(samples, type='ImageAreasMetric', out_file=str(out), ignore_index=1)
    assert json.loads(out.read_text())['images']['2.png'] == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_sums_give_the_scores_of_the_other_metric(tmp_path):
    generator, out = torch.Generator().manual_seed(0), tmp_path / 'areas.json'
    samples = []
    for i in range(4):
        labels = torch.randint(0, 3, (2, 5, 7), generator=generator)
        labels[1, 0] = 255
        samples.append(sample(f'/d/{i}.png', labels[0].tolist(), labels[1].tolist()))
    evaluate(samples, type='ImageAreasMetric', out_file=str(out))
    expected = evaluate(samples, type='PerClassIoUMetric', iou_metrics=['mIoU', 'mDice'])
    images = json.loads(out.read_text())['images']
    total = torch.tensor(list(images.values())).sum(dim=0).numpy()
    found = scores(total, CLASSES)
    assert {'mIoU', 'IoU.b', 'Dice.c', 'aAcc'} <= expected.keys() <= found.keys()
    assert all(found[name] == pytest.approx(expected[name], abs=0.0051) for name in expected)
