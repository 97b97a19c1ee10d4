"""Run by several processes: train with the checkpoint hook of a config.

resume.py CONFIG WORK_DIR LOOP (whole | killed | resumed)

``WORK_DIR/RANK.json`` holds the losses of the rank and the steps at which it has validated.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from leaving import leave
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmseg_attn  # noqa: F401  registers the hooks

PATIENCE = timedelta(minutes=4)  # how long a rank waits for the others


class Numbers(torch.utils.data.Dataset):
    def __init__(self) -> None:
        self.metainfo = dict(classes=('a', 'b'))

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.rand(3) + index)


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Dropout())
        self.conv_seg = torch.nn.Linear(5, 2)

    def forward(self, inputs: list, mode: str) -> dict | list:
        out = self.conv_seg(self.layer(torch.stack(inputs)))
        return dict(loss=out.square().mean()) if mode == 'loss' else [out.sum()]


class Count(BaseMetric):
    """Count the samples of all ranks, which takes a collective."""

    def process(self, data_batch: dict, data_samples: list) -> None:
        self.results += data_samples

    def compute_metrics(self, results: list) -> dict:
        return dict(count=len(results))


class Watch(Hook):
    """Note at which steps a validation is done; end the process before the second."""

    priority = 'VERY_LOW'

    def __init__(self, kill: bool) -> None:
        self.kill, self.steps = kill, []

    def before_val(self, runner: Runner) -> None:
        self.steps.append(runner.iter)
        if self.kill and len(self.steps) == 2:
            self.write(runner)

    def after_train(self, runner: Runner) -> None:
        self.write(runner)

    def write(self, runner: Runner) -> None:
        losses = runner.message_hub.get_scalar('train/loss').data[0].tolist()
        result = dict(validated=self.steps, losses=losses)
        Path(runner.work_dir, f'{dist.get_rank()}.json').write_text(json.dumps(result))
        leave(runner.log_dir)  # which only this run has


def main() -> None:
    path, work_dir, loop, how = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group('gloo', timeout=PATIENCE)  # MMEngine does it for GPUs only
    init_default_scope('mmseg')
    hook = Config.fromfile(path).default_hooks.checkpoint.type
    by_epoch = loop == 'EpochBasedTrainLoop'
    shuffle = dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True)
    loader = dict(dataset=Numbers(), batch_size=2, num_workers=0)
    # two ranks make six steps per epoch; the second validation is that after the checkpoint
    length = dict(max_epochs=4, val_interval=1) if by_epoch else dict(max_iters=24, val_interval=6)
    checkpoint = dict(type=hook, interval=2 if by_epoch else 12, by_epoch=by_epoch)
    Runner(
        model=Line(),
        work_dir=work_dir,
        train_dataloader=dict(loader, sampler=shuffle),
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)),
        train_cfg=dict(type=loop, **length),
        val_cfg=dict(),
        val_evaluator=[Count()],
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        default_hooks=dict(checkpoint=checkpoint),
        custom_hooks=[Watch(kill=how == 'killed')],
        launcher='pytorch',
        cfg=dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None)),
        resume=how == 'resumed',
        randomness=dict(seed=0),
        default_scope='mmseg',
        log_level='WARNING',
    ).train()


if __name__ == '__main__':
    main()
