"""Read the logs that MMEngine itself writes in a training, with all of its settings."""

import itertools

import mmengine
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from mmengine.utils import digit_version
from torch import nn
from torch.utils.data import Dataset

from mmseg_attn.apps.runs import Run
from mmseg_attn.apps.runs.log import find_launches, join

EPOCH = 7  # iterations
LAST = digit_version(mmengine.__version__) >= digit_version('0.9')  # validates at the end, too
END = [10, 20, 25] if LAST else [10, 20]


@MODELS.register_module(force=True)
class OneWeight(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, number, mode='tensor'):
        return dict(loss=self.weight.square().sum()) if mode == 'loss' else [self.weight]


@METRICS.register_module(force=True)
class Iteration(BaseMetric):
    """The number of the iteration, so that a curve of it is its own x-axis."""

    default_prefix = None

    def process(self, data_batch, data_samples) -> None:
        self.results.append(0)

    def compute_metrics(self, results) -> dict:
        return dict(mIoU=float(MessageHub.get_current_instance().get_info('iter') + 1))


@DATASETS.register_module(force=True)
class Numbers(Dataset):
    def __len__(self) -> int:
        return EPOCH

    def __getitem__(self, index: int) -> list[float]:
        return [float(index)]


def train(folder, *, by_epoch: bool, logger: dict, processor: dict, resume: bool = False, **loop):
    loader = dict(dataset=dict(type='Numbers'), batch_size=1, num_workers=0)
    sampler = dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler')
    cfg = dict(
        model=dict(type='OneWeight'),
        work_dir=str(folder),
        train_dataloader=dict(loader, sampler=sampler),
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)),
        train_cfg=dict(by_epoch=by_epoch, **loop),
        val_cfg=dict(),
        val_evaluator=dict(type='Iteration'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            logger=dict(type='LoggerHook', **logger),
            checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, interval=5),
        ),
        log_processor=processor,
        env_cfg=dict(dist_cfg=dict(backend='gloo')),
        resume=resume,
        default_scope='mmengine',
        experiment_name=f'{folder.name}-{resume}',
    )
    Runner.from_cfg(Config(cfg)).train()


SETTINGS = list(itertools.product([True, False], [True, False], [3, 100]))


@pytest.mark.parametrize(('metric_by_epoch', 'processor_by_epoch', 'interval'), SETTINGS)
def test_iterations(tmp_path, metric_by_epoch, processor_by_epoch, interval):
    """MMEngine gives validations the step 0 with ``log_metric_by_epoch=True``, its default."""
    train(
        tmp_path,
        by_epoch=False,
        logger=dict(interval=interval, log_metric_by_epoch=metric_by_epoch),
        processor=dict(by_epoch=processor_by_epoch),
        max_iters=25,
        val_interval=10,
    )
    log = join(find_launches(tmp_path))
    assert log.unit == 'iteration'
    steps, values = log.curve('mIoU', 'iteration')
    assert steps == values == END
    losses = [*range(3, 26, 3)] if interval == 3 else [EPOCH]  # MMEngine logs the end of an epoch
    assert log.curve('loss', 'iteration')[0] == losses
    assert log.best() == (END[-1], END[-1])


@pytest.mark.parametrize(('metric_by_epoch', 'processor_by_epoch', 'interval'), SETTINGS)
def test_epochs(tmp_path, metric_by_epoch, processor_by_epoch, interval):
    train(
        tmp_path,
        by_epoch=True,
        logger=dict(interval=interval, log_metric_by_epoch=metric_by_epoch),
        processor=dict(by_epoch=processor_by_epoch),
        max_epochs=3,
    )
    log = join(find_launches(tmp_path))
    if not metric_by_epoch and not processor_by_epoch:  # nothing in it says that it has epochs
        assert log.unit == 'iteration'
        assert log.curve('mIoU', 'iteration') == ([7, 14, 21], [7, 14, 21])
        return
    assert log.unit == 'epoch'
    assert log.curve('mIoU', 'epoch') == ([1, 2, 3], [7, 14, 21])
    assert log.epoch_length == EPOCH
    assert log.best() == (3, 21)


def test_a_resumed_training(tmp_path):
    settings = dict(
        by_epoch=False, logger=dict(interval=4), processor=dict(by_epoch=False), val_interval=6
    )
    train(tmp_path, max_iters=15, **settings)
    (first,) = tmp_path.glob('2*/')
    first.rename(tmp_path / '20000101_000000')  # the name has the second
    train(tmp_path, max_iters=23, resume=True, **settings)
    run = Run(tmp_path, 'x', find_launches(tmp_path), None, None)
    assert len(run.launches) == 2
    steps, values = run.log.curve('mIoU', 'iteration')
    assert steps == values == ([6, 12, 15, 18, 23] if LAST else [6, 12, 18])


def test_the_plan_is_in_the_log_and_in_the_copy_of_the_config(tmp_path):
    """Without it, validations follow the logged iterations."""
    train(
        tmp_path,
        by_epoch=False,
        logger=dict(interval=3),
        processor=dict(by_epoch=False),
        max_iters=25,
        val_interval=10,
    )
    (text,), (config,) = tmp_path.glob('*/*.log'), tmp_path.glob('*/vis_data/config.py')
    steps = []
    for files in ([text], [config], [text, config]):
        contents = [file.read_bytes() for file in files]
        for file in files:
            file.unlink()
        steps.append(join(find_launches(tmp_path)).curve('mIoU', 'iteration')[0])
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
    assert steps == [END, END, [9, 18, 24][: len(END)]]
