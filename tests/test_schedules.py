"""The learning rate of every schedule against the paper's formula, epoch by epoch."""

import math

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, OPTIMIZERS, PARAM_SCHEDULERS

EPOCH = 4  # iterations


def learning_rates(cfg: Config) -> list[float]:
    """The learning rate at every iteration, as MMEngine's hook steps the schedulers."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = OPTIMIZERS.build(dict(cfg.optim_wrapper.optimizer, params=[parameter]))
    schedulers = [
        PARAM_SCHEDULERS.build(dict(s), default_args=dict(optimizer=optimizer, epoch_length=EPOCH))
        for s in cfg.param_scheduler
    ]
    rates = []
    for iteration in range(cfg.train_cfg.max_epochs * EPOCH):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % EPOCH == 0:
                scheduler.step()
    return rates


@pytest.mark.parametrize(
    ('name', 'optimizer', 'epochs', 'expected'),
    [
        ('adam_1500e', 'Adam', 1500, lambda i: 1e-3),
        ('adam_300e', 'Adam', 300, lambda i: 1e-3),
        ('adam_500e_step', 'Adam', 500, lambda i: 2e-5 if i < 300 * EPOCH else 2e-6),
        ('adamw_100e_cosine', 'AdamW', 100, lambda i: 5e-4 * cosine(i / (100 * EPOCH))),
        ('adam_200e_poly', 'Adam', 200, lambda i: 1e-3 * (1 - i / (200 * EPOCH - 1)) ** 0.9),
        ('sgd_250e_cosine', 'SGD', 250, lambda i: 1e-3 * cosine(i // EPOCH / 250)),
    ],
)
def test_learning_rate(name, optimizer, epochs, expected, root):
    cfg = Config.fromfile(root / f'configs/_base_/schedules/{name}.py')
    assert cfg.optim_wrapper.optimizer.type == optimizer
    assert cfg.train_cfg.max_epochs == epochs
    rates = learning_rates(cfg)
    assert rates == pytest.approx([expected(i) for i in range(len(rates))], rel=1e-3, abs=1e-9)


def cosine(progress: float) -> float:
    return (math.cos(math.pi * progress) + 1) / 2


@pytest.mark.parametrize(
    ('losses', 'stops'),
    [
        ([1.0, *[0.5] * 20], False),
        ([1.0, *[0.5] * 21], True),  # 20 in a row that have not lowered it: equal is not lower
        ([1.0, *[0.5] * 20, 0.5 - 1e-7, *[0.5] * 19], False),
        ([0.5, *[0.6] * 20], True),
    ],
)
def test_hybrid_unet_stops_when_the_loss_has_not_fallen(root, losses, stops):
    cfg = Config.fromfile(root / 'configs/_base_/protocols/hybrid_unet.py')
    (hook,) = [HOOKS.build(each) for each in cfg.custom_hooks]
    assert any(hook._check_stop_condition(loss)[0] for loss in losses) == stops
