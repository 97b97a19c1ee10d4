"""A resumed training with another schedule has the rates of one that had it from the start."""

import logging

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_attn.errors import CheckpointError

LENGTH = 3  # iterations of an epoch


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.layer(inputs).square().mean())


class Rates(Hook):
    """Keeps the learning rate of every iteration."""

    priority = 'VERY_HIGH'

    def __init__(self):
        self.found = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.found[runner.iter + 1] = runner.optim_wrapper.param_groups[0]['lr']


class Messages(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def poly(length: int, **options) -> dict:
    return dict(type='PolyLR', eta_min=1e-4, power=0.9, begin=0, end=length, **options)


WARM_UP = dict(type='LinearLR', start_factor=0.1, begin=0, end=4, by_epoch=False)


@pytest.fixture
def train(tmp_path):
    """Train, or go on, and return the rates of the iterations and what was warned of."""
    starts = iter(range(100))

    def train(
        scheduler,
        *,
        iterations: int = 0,
        epochs: int = 0,
        resume: bool = False,
        folder: str = 'run',
        lr: float = 0.1,
        hook: bool = True,
        **optimizer,
    ):
        rates, messages = Rates(), Messages()
        loop = dict(by_epoch=False, max_iters=iterations)
        if epochs:
            loop = dict(by_epoch=True, max_epochs=epochs)
        kind = 'DefaultSampler' if epochs else 'InfiniteSampler'  # else MMEngine waits at the end
        sampler = dict(type=kind, shuffle=False)
        runner = Runner(
            model=Toy(),
            work_dir=str(tmp_path / folder),
            train_dataloader=dict(
                batch_size=1, sampler=sampler, dataset=[torch.ones(1)] * LENGTH, num_workers=0
            ),
            train_cfg=loop,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr, **optimizer)),
            param_scheduler=scheduler,
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=bool(epochs))),
            custom_hooks=[rates, *([dict(type='mmseg.ResumedScheduleHook')] if hook else [])],
            resume=resume,
            randomness=dict(seed=0),
            experiment_name=f'{tmp_path.name}-{next(starts)}',
            default_scope='mmseg',
        )
        runner.logger.addHandler(messages)
        runner.train()
        ours = [text for text in messages.texts if 'config' in text or 'rate' in text]
        return rates.found, ours

    return train


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (poly(6, by_epoch=False), poly(12, by_epoch=False)),
        ([WARM_UP, poly(6, by_epoch=False)], [WARM_UP, poly(12, by_epoch=False)]),
        (poly(6, by_epoch=False), dict(type='CosineAnnealingLR', T_max=12, by_epoch=False)),
        (poly(6, by_epoch=False), [WARM_UP, poly(12, by_epoch=False)]),
        ([WARM_UP, poly(6, by_epoch=False)], poly(12, by_epoch=False)),
        (dict(type='ConstantLR', factor=0.5, end=2, by_epoch=False), None),
        (None, poly(12, by_epoch=False)),
    ],
)
def test_by_iterations(train, before, after):
    train(before, iterations=6)
    rates, told = train(after, iterations=12, resume=True)
    right, _ = train(after, iterations=12, folder='whole')
    assert list(rates) == list(range(7, 13))
    assert rates == pytest.approx({i: right[i] for i in range(7, 13)})
    assert len(told) == 1
    assert told[0].startswith('The schedule of the config differs from that of the checkpoint (')
    assert f'learning rate after iteration 6 is {rates[7]:.4g}' in told[0]


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (poly(2), poly(4)),
        (poly(2, convert_to_iter_based=True), poly(4, convert_to_iter_based=True)),
        ([WARM_UP, poly(2)], [WARM_UP, poly(4)]),
    ],
)
def test_by_epochs(train, before, after):
    train(before, epochs=2)
    rates, told = train(after, epochs=4, resume=True)
    right, _ = train(after, epochs=4, folder='whole')
    assert list(rates) == list(range(2 * LENGTH + 1, 4 * LENGTH + 1))
    assert rates == pytest.approx({i: right[i] for i in rates})
    assert len(told) == 1


def test_another_learning_rate(train):
    train(poly(12, by_epoch=False), iterations=6)
    rates, (told,) = train(poly(12, by_epoch=False), iterations=12, resume=True, lr=0.3)
    right, _ = train(poly(12, by_epoch=False), iterations=12, folder='whole', lr=0.3)
    assert rates == pytest.approx({i: right[i] for i in rates})
    assert '(lr: 0.1 became 0.3)' in told


def test_another_learning_rate_without_a_schedule(train):
    train(None, iterations=3)
    rates, (told,) = train(None, iterations=6, resume=True, lr=0.3)
    assert set(rates.values()) == {0.3}
    assert '(lr: 0.1 became 0.3)' in told


@pytest.mark.parametrize('scheduler', [poly(12, by_epoch=False), [WARM_UP, poly(12)], None])
def test_what_has_not_changed_is_left_alone(train, scheduler):
    train(scheduler, iterations=6)
    rates, told = train(scheduler, iterations=12, resume=True)
    right, _ = train(scheduler, iterations=12, folder='whole', hook=False)
    assert rates == {i: right[i] for i in rates}
    assert told == []


def test_a_schedule_that_needs_scores_cannot_be_joined(train):
    train(poly(6, by_epoch=False), iterations=6)
    with pytest.raises(
        CheckpointError, match=r'start at iteration 6 \(it depends on the metrics\)'
    ):
        train(dict(type='ReduceOnPlateauLR', monitor='mIoU'), iterations=8, resume=True)


def test_a_schedule_that_needs_scores_goes_on_with_its_old_settings(train):
    plateau = dict(type='ReduceOnPlateauLR', monitor='mIoU')
    train(dict(plateau, patience=3), iterations=3)
    _, (told,) = train(dict(plateau, patience=5), iterations=5, resume=True)
    assert '(patience of ReduceOnPlateauLR: 3 became 5)' in told
    assert 'training continues with that of the checkpoint' in told


def test_other_settings_of_the_optimizer_are_those_of_the_checkpoint(train):
    train(poly(6, by_epoch=False), iterations=3, weight_decay=0.01)
    _, (told,) = train(poly(6, by_epoch=False), iterations=6, resume=True, weight_decay=0.5)
    assert told.startswith(
        'weight_decay of the optimizer is 0.5 in the config and 0.01 in the checkpoint; the resumed'
    )


def test_a_rate_that_changes_no_more_is_told(train):
    train(poly(6, by_epoch=False), iterations=6)
    rates, (told,) = train(poly(6, by_epoch=False), iterations=9, resume=True)
    assert list(rates.values()) == pytest.approx([1e-4] * len(rates))
    assert told.startswith('The learning rate stays at 0.0001 until iteration 9, since all')
