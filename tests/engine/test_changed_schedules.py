"""Our train.py follows a longer schedule whatever the config names; the host's Runner does not."""

import logging
import runpy
import sys

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_attn.engine.hooks import ResumedScheduleHook
from mmseg_attn.engine.standard_tool import run_standard_tool

LONGER = 'end of LinearLR: 2 became 4'


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.layer(inputs).square().mean())


@pytest.fixture
def train(tmp_path, caplog):
    """Train some iterations, with a rate that falls from 1 to 0; return the runner and its log."""

    def train(
        iterations: int, hooks: tuple = (), optimizer: str = 'SGD', **settings
    ) -> tuple[Runner, str]:
        schedule = dict(type='LinearLR', start_factor=1, end_factor=0, end=iterations)
        runner = Runner(
            model=Toy(),
            work_dir=str(tmp_path),
            train_dataloader=dict(
                batch_size=1,
                sampler=dict(type='InfiniteSampler', shuffle=False),
                dataset=[torch.ones(1)],
                num_workers=0,
            ),
            train_cfg=dict(by_epoch=False, max_iters=iterations),
            optim_wrapper=dict(optimizer=dict(type=optimizer, lr=1.0), **settings),
            param_scheduler=dict(schedule, by_epoch=False),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False)),
            custom_hooks=list(hooks),
            resume=iterations > 2,
            experiment_name=f'{tmp_path.name}-{iterations}',
        )
        runner.logger.addHandler(caplog.handler)
        runner.train()
        return runner, caplog.text

    caplog.set_level(logging.WARNING)
    return train


@pytest.fixture
def train_with_our_tool(train, monkeypatch):
    def run(*args, **settings) -> tuple[Runner, str]:
        results = []
        monkeypatch.setattr(sys, 'argv', ['train.py', 'config.py'])
        monkeypatch.setattr(
            runpy, 'run_path', lambda *_, **__: results.append(train(*args, **settings))
        )
        run_standard_tool('train.py')
        return results[0]

    return run


def rates(runner: Runner) -> list[float]:
    return runner.message_hub.get_scalar('train/lr').data[0].tolist()


def test_our_tool_follows_the_config_and_tells(train, train_with_our_tool, safe_loading):
    train(2)
    runner, log = train_with_our_tool(4)
    # in iteration n of 4, the rate is 1 - (n - 1) / 3
    assert rates(runner) == pytest.approx([1, 0, 1 / 3, 0], abs=1e-6)
    assert log.count(LONGER) == 1


def test_our_tool_follows_the_config_with_settings_by_parameter(
    train, train_with_our_tool, safe_loading
):
    settings = dict(paramwise_cfg=dict(bias_lr_mult=2.0))
    train(2, **settings)
    runner, log = train_with_our_tool(4, **settings)
    last = runner.message_hub.get_scalar('train/base_lr').data[0].tolist()
    assert last == pytest.approx([1, 0, 1 / 3, 0], abs=1e-6)
    assert log.count(LONGER) == 1
    assert 'Training follows that of the config' in log


def test_the_hosts_runner_is_as_before(train, train_with_our_tool, safe_loading):
    train_with_our_tool(2)
    runner, log = train(4)
    assert not any(isinstance(hook, ResumedScheduleHook) for hook in runner.hooks)
    assert rates(runner)[2:] == pytest.approx([0, 0], abs=1e-6)
    assert LONGER not in log


@pytest.mark.parametrize(
    ('first', 'second', 'missing'), [('SGD', 'Adam', 'betas'), ('Adam', 'SGD', 'momentum')]
)
def test_another_optimizer_cannot_go_on(
    train, train_with_our_tool, safe_loading, first, second, missing
):
    train(2, (), first)
    with pytest.raises(SystemExit, match=f'another optimizer than {second}, .* no {missing}'):
        train_with_our_tool(4, (), second)
