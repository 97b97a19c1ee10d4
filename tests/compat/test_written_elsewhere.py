"""A checkpoint of MMSegmentation 1.x that was trained without this package loads everywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.apis import MMSegInferencer, init_model

from tests.processes import HANG

CONFIG = """
default_scope = 'mmseg'
norm = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64), seg_pad_val=255),
    backbone=dict(type='UNet', base_channels=2, norm_cfg=norm),
    decode_head=dict(type='FCNHead', in_channels=2, in_index=4, channels=2, num_convs=1,
                     norm_cfg=norm, num_classes=5),
    auxiliary_head=dict(type='FCNHead', in_channels=4, in_index=3, channels=2, num_convs=1,
                        norm_cfg=norm, num_classes=5),
    test_cfg=dict(mode='whole'),
)
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
pipeline = [*load, dict(type='PackSegInputs')]
dataset = dict(
    type='BaseSegDataset', data_root='{data}', img_suffix='.png', pipeline=pipeline,
    data_prefix=dict(img_path='images', seg_map_path='annotations'),
    metainfo=dict(classes=list('abcde'), palette=[[i, i, i] for i in range(5)]),
)
train_dataloader = dict(batch_size=2, num_workers=0, dataset=dataset,
                        sampler=dict(type='InfiniteSampler', shuffle=True))
val_dataloader = dict(batch_size=1, num_workers=0, dataset=dataset,
                      sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=2),
                   dict(type='OneCycleLR', eta_max=0.1, total_steps=20, by_epoch=False)]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, save_best='mIoU'),
)
custom_hooks = [dict(type='EMAHook')]
log_processor = dict(by_epoch=False)
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
env_cfg = dict(dist_cfg=dict(backend='gloo'))  # MMEngine 0.8 wants it
"""


@pytest.fixture(scope='module')
def foreign(pseudo_data, tmp_path_factory) -> tuple[Config, Path]:
    """The config and the work folder."""
    folder = tmp_path_factory.mktemp('foreign')
    file = folder / 'config.py'
    file.write_text(CONFIG.replace('{data}', pseudo_data['DROSOPHILA_ROOT']))
    script = Path(__file__).with_name('written_elsewhere.py')
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(script), str(file), str(folder / 'work')],
        env=os.environ | dict(OMP_NUM_THREADS='1'),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr
    return Config.fromfile(file), folder / 'work'


def build(foreign: tuple[Config, Path], work_dir: Path, **settings) -> Runner:
    cfg = foreign[0].copy()
    cfg.update(work_dir=str(work_dir), experiment_name=str(work_dir), visualizer=None, **settings)
    return Runner.from_cfg(cfg)


def test_it_needs_more_than_weights_only(foreign):
    with pytest.raises(Exception, match=r'(?i)weights.only'):
        torch.load(foreign[1] / 'iter_2.pth', weights_only=True)


def test_a_test_gives_the_score_that_it_was_saved_with(foreign, tmp_path):
    (best,) = foreign[1].glob('best_mIoU_iter_2.pth')
    (log,) = foreign[1].glob('*/vis_data/scalars.json')
    scores = [json.loads(line) for line in log.read_text().splitlines()][-1]
    metrics = build(foreign, tmp_path, load_from=str(best)).test()
    assert metrics['mIoU'] == scores['mIoU'] > 0


def test_a_training_goes_on(foreign, tmp_path):
    train_cfg = dict(foreign[0].train_cfg, max_iters=4)
    runner = build(
        foreign,
        tmp_path,
        load_from=str(foreign[1] / 'iter_2.pth'),
        resume=True,
        train_cfg=train_cfg,
    )
    runner.train()
    assert runner.iter == 4
    assert len(runner.message_hub.log_scalars['train/loss'].data[0]) == 4
    assert (tmp_path / 'iter_4.pth').exists()


def test_predictions(foreign):
    file = str(foreign[1] / 'iter_2.pth')
    model = init_model(foreign[0], file, device='cpu')
    assert model.dataset_meta['classes'] == list('abcde')
    loaded = MMSegInferencer(foreign[0], file, device='cpu').model.state_dict()
    torch.testing.assert_close(loaded, model.state_dict(), rtol=0, atol=0)
