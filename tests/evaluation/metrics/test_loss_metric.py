"""The loss of every image, and what MMEngine's hooks do with it."""

import csv
import json
import re
from inspect import signature
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner
from mmseg.registry import METRICS

CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)


def evaluate(samples: list[tuple[torch.Tensor, torch.Tensor]], loss_decode) -> float:
    metric = METRICS.build(dict(type='LossMetric', loss_decode=loss_decode))
    for logits, label in samples:
        sample = dict(seg_logits=dict(data=logits), gt_sem_seg=dict(data=label.unsqueeze(0)))
        metric.process({}, [sample])
    return metric.evaluate(len(samples))['mean_loss']


@pytest.fixture
def samples() -> list[tuple[torch.Tensor, torch.Tensor]]:
    samples = [
        (torch.randn(3, *size), torch.randint(0, 3, size, dtype=torch.uint8))
        for size in [(4, 5), (2, 3)]
    ]
    samples[0][1][1] = 255
    return samples


def test_mean_over_the_images(samples):
    values = [F.cross_entropy(x[None], y[None].long(), ignore_index=255) for x, y in samples]
    expected = sum(values).item() / 2
    assert evaluate(samples, CROSS_ENTROPY) == pytest.approx(expected, abs=1e-6)


def test_losses_are_added_as_in_training(samples):
    dice = dict(type='SoftDiceLoss', loss_weight=0.5)
    watched = dict(dice, loss_name='dice')
    expected = evaluate(samples, CROSS_ENTROPY) + evaluate(samples, dice)
    assert evaluate(samples, [CROSS_ENTROPY, dice, watched]) == pytest.approx(expected, abs=1e-6)


def test_an_ignored_image_changes_nothing(samples):
    ignored = (torch.randn(3, 2, 2), torch.full((2, 2), 255))
    assert evaluate([*samples, ignored], CROSS_ENTROPY) == evaluate(samples, CROSS_ENTROPY)


def test_half_precision_logits_are_not_computed_with_in_half_precision(samples):
    half = [(logits.half(), label) for logits, label in samples]
    single = [(logits.float(), label) for logits, label in half]
    assert evaluate(half, CROSS_ENTROPY) == evaluate(single, CROSS_ENTROPY)


def test_what_cannot_be_computed_is_refused():
    ignored = (torch.randn(3, 2, 2), torch.full((2, 2), 255))
    with pytest.raises(ValueError, match='no labeled pixel in 1 image:'):
        evaluate([ignored], CROSS_ENTROPY)
    with pytest.raises(ValueError, match='set out_channels'):
        evaluate([(torch.rand(1, 2, 2), torch.zeros(2, 2))], CROSS_ENTROPY)


@pytest.fixture
def config(root, pseudo_data, tmp_path, monkeypatch) -> Config:
    """A training whose validation loss rises: the learning rate has the wrong sign."""
    monkeypatch.setenv('DROSOPHILA_ROOT', pseudo_data['DROSOPHILA_ROOT'])
    cfg = Config.fromfile(root / 'configs/unet/unet-b16-ce_1xb4-600i_drosophila-128x128.py')
    losses = cfg.model.decode_head.loss_decode
    loader = dict(num_workers=0, persistent_workers=False)
    cfg.merge_from_dict(
        dict(
            model=dict(
                backbone=dict(channels=[4, 8]),
                decode_head=dict(in_channels=[4, 8]),
            ),
            train_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=True)),
            val_dataloader=loader,
            optim_wrapper=dict(optimizer=dict(_delete_=True, type='SGD', lr=0.01, maximize=True)),
            default_hooks=dict(checkpoint=dict(by_epoch=True, interval=1, save_best='mean_loss')),
            log_processor=dict(
                by_epoch=True, custom_cfg=[dict(data_src='mean_loss', method_name='current')]
            ),
        )
    )
    cfg.train_dataloader.dataset.pipeline = cfg.train_pipeline
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6, val_interval=1)
    cfg.val_evaluator = [
        dict(type='PerClassIoUMetric'),
        dict(type='LossMetric', loss_decode=losses),
    ]
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    cfg.custom_hooks = [
        dict(type='EarlyStoppingHook', monitor='mean_loss', rule='less', min_delta=0, patience=2),
        dict(type='PerClassCSVHook'),
    ]
    cfg.work_dir, cfg.experiment_name = str(tmp_path), tmp_path.name
    cfg.visualizer.name = str(tmp_path)  # instances are kept by name
    return cfg


def test_early_stopping_and_save_best_watch_it(config, tmp_path):
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.epoch == 3  # the first was the best, and two more had patience
    history, _ = runner.message_hub.get_scalar('val/mean_loss').data
    assert len(history) == 3
    assert history[0] < history[1] < history[2]
    assert [path.name for path in tmp_path.glob('best_*.pth')] == ['best_mean_loss_epoch_1.pth']

    (scalars,) = tmp_path.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    logged = [line for line in lines if 'mean_loss' in line]
    assert [line['mean_loss'] for line in logged] == pytest.approx(list(history))
    with Path(runner.log_dir, 'per_class.csv').open(newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['class'] == 'intracellular']
    assert [row['epoch'] for row in rows] == ['1', '2', '3']
    assert [float(row['IoU']) for row in rows] == [line['IoU.intracellular'] for line in logged]


def validations(losses: list[float], **options) -> int:
    """The number of validations after which early stopping ends the training, or all of them."""
    hook = EarlyStoppingHook(monitor='mean_loss', rule='less', patience=3, **options)
    runner = SimpleNamespace(train_loop=SimpleNamespace(stop_training=False), logger=getLogger())
    for count, loss in enumerate(losses, 1):
        hook.after_val_epoch(runner, dict(mean_loss=loss))
        if runner.train_loop.stop_training:
            return count
    return len(losses)


def test_an_equal_loss_means_for_early_stopping_what_the_docs_say(root):
    text = ' '.join((root / 'docs/training.md').read_text().split())
    assert "MMEngine's default of 0.1" in text
    assert 'With 0, an equal loss counts as an improvement. With 1e-9, it does not.' in text
    (delta,) = set(re.findall(r'min_delta=([\d.e-]+)', text))
    assert float(delta) == 1e-9

    equal = [0.5] * 9
    assert validations(equal, min_delta=float(delta)) == 1 + 3  # the best, and the patience
    assert validations(equal, min_delta=0) == 9
    small_steps = [0.5 - 1e-6 * step for step in range(9)]
    assert validations(small_steps, min_delta=float(delta)) == 9
    assert validations(small_steps) == 1 + 3
    assert signature(EarlyStoppingHook).parameters['min_delta'].default == 0.1
