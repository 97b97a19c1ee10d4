"""Run by several processes: metrics of the images of all ranks are those of one process.

metrics.py FOLDER
"""

import importlib.util
import sys

import torch
import torch.distributed as dist
from leaving import leave
from mmengine.registry import init_default_scope
from mmseg.registry import METRICS

import mmseg_attn  # noqa: F401  registers the metrics

IMAGES = 3  # of two ranks, the second repeats an image, as MMEngine's sampler pads
CONFIGS = [
    dict(type='PerClassIoUMetric', iou_metrics=['mSpecificity']),
    dict(type='BoundaryIoUMetric'),
    dict(type='AUCMetric'),
    dict(type='CalibrationMetric'),
]
if importlib.util.find_spec('monai'):
    CONFIGS.append(dict(type='SurfaceMetric', tolerance=1))
if importlib.util.find_spec('skimage'):
    CONFIGS.append(dict(type='MembraneMetric'))


def sample(number: int) -> dict:
    generator = torch.Generator().manual_seed(number)
    logits = torch.randn(3, 20, 30, generator=generator)
    label = torch.randint(3, (1, 20, 30), generator=generator)
    label[0, :3] = 255
    return dict(
        img_path=f'{number}.png',
        seg_logits=dict(data=logits),
        pred_sem_seg=dict(data=logits.argmax(dim=0, keepdim=True)),
        gt_sem_seg=dict(data=label),
    )


def evaluate(config: dict, numbers: list[int], *, together: bool) -> tuple[dict, list]:
    metric = METRICS.build(config)
    metric.dataset_meta = dict(classes=['cell', 'gap', 'membrane'])
    metric.process({}, [sample(number) for number in numbers])
    if not together:
        return metric.compute_metrics(metric.results), getattr(metric, 'per_image', [])
    return metric.evaluate(IMAGES), getattr(metric, 'per_image', [])


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    init_default_scope('mmseg')
    rank, ranks = dist.get_rank(), dist.get_world_size()
    share = [number % IMAGES for number in range(rank, IMAGES + IMAGES % ranks, ranks)]
    assert share == [[0, 2], [1, 0]][rank]
    for config in CONFIGS:
        expected = evaluate(config, list(range(IMAGES)), together=False)
        values, rows = evaluate(config, share, together=True)
        assert values == expected[0], (config, values, expected[0])
        assert rank or rows == expected[1], (config, rows)
    leave(sys.argv[1])


if __name__ == '__main__':
    main()
