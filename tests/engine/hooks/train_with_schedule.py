"""A training that records the size of every batch: two epochs of 8x8, then 16x16.

Run by two processes it trains four epochs and asserts the sizes on each, and that the metrics are
those of one process: torchrun --nproc_per_node 2 train_with_schedule.py FOLDER
"""

import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.distributed as dist
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from torch import Tensor, nn

import mmseg_attn  # noqa: F401  registers the parts


@DATASETS.register_module('ScheduledImages', force=True)
class Images(BaseDataset):
    """Six images of 32x24, resized; each holds its number everywhere."""

    METAINFO: ClassVar[dict] = dict(classes=('a', 'b'))

    def __init__(self, *, resize: bool = True):
        middle = [dict(type='Resize', scale=(4, 4))] if resize else []
        super().__init__(pipeline=[make_image, *middle, to_tensor])

    def load_data_list(self) -> list[dict]:
        return [dict(number=number) for number in range(6)]


def make_image(results: dict) -> dict:
    return dict(img=np.full((32, 24, 3), results['number'], dtype=np.float32))


def to_tensor(results: dict) -> Tensor:
    return torch.as_tensor(results['img'])


class Recorder(BaseModel):
    """Keeps the shape of what it is given; in validation, predicts class 1 in image 5 alone."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.shapes = []

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> dict | list:
        if mode == 'loss':
            self.shapes.append(tuple(inputs.shape[1:3]))
            return dict(loss=self.weight.sum() * 0)
        label = torch.zeros(1, 2, 2, dtype=torch.long)
        return [
            dict(
                seg_logits=dict(data=torch.stack([image.new_zeros(2, 2), image[:2, :2, 0]])),
                pred_sem_seg=dict(data=label + int(image[0, 0, 0] == 5)),
                gt_sem_seg=dict(data=label),
            )
            for image in inputs
        ]


class Preprocessor(nn.Module):
    def forward(self, data: Tensor, training: bool = False) -> dict:
        return dict(inputs=data)


def train(
    folder: Path,
    *,
    dataset: BaseDataset | dict | None = None,
    epochs: int = 4,
    workers: int = 2,
    persistent: bool = True,
    loop: dict | None = None,
    **options,
) -> Runner:
    """Train in the folder; with ``resume`` from where an earlier call stopped."""
    model = Recorder()
    model.data_preprocessor = Preprocessor()
    loader = dict(
        batch_size=1,
        num_workers=workers,
        persistent_workers=persistent,
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=dict(type='default_collate'),
    )
    runner = Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=dict(loader, dataset=dataset or Images()),
        train_cfg=loop or dict(by_epoch=True, max_epochs=epochs, val_interval=4),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[
            dict(type='ResolutionScheduleHook', schedule={0: (8, 8), 2: (16, 16)}, priority=40)
        ],
        default_scope='mmseg',
        experiment_name=f'{folder.name}-{epochs}',
        log_level='WARNING',
        **options,
    )
    runner.train()
    return runner


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo')  # MMEngine's launcher would ask for a GPU
    runner = train(
        Path(sys.argv[1]),
        val_dataloader=dict(
            batch_size=4,  # six images on two ranks of three
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=Images(),
            collate_fn=dict(type='default_collate'),
        ),
        val_cfg=dict(),
        val_evaluator=[
            dict(type='LossMetric', loss_decode=dict(type='CrossEntropyLoss')),
            dict(type='MAEMetric'),
            dict(type='PerClassIoUMetric'),
        ],
    )
    shapes = runner.model.shapes
    assert shapes == 2 * 3 * [(8, 8)] + 2 * 3 * [(16, 16)], f'{dist.get_rank()}: {shapes}'
    logits = torch.tensor([[0.0, value] for value in range(6)])
    found = {
        key: runner.message_hub.get_scalar(f'val/{key}').current()
        for key in ('mean_loss', 'MAE', 'IoU.a')
    }
    expected = nn.functional.cross_entropy(logits, torch.zeros(6, dtype=torch.long)).item()
    assert abs(found['mean_loss'] - expected) < 1e-6, found
    assert abs(found['MAE'] - 1 / 6) < 1e-12, found
    assert found['IoU.a'] == 83.33, found


if __name__ == '__main__':
    main()
