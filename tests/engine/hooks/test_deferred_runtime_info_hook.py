import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.engine.hooks import DeferredRuntimeInfoHook
from mmseg_attn.models.losses import SoftIoULoss


def trained(cfg: Config, work_dir: Path, hook: str, **changes) -> Runner:
    cfg = Config(cfg.to_dict())
    cfg.merge_from_dict({'work_dir': str(work_dir / hook), **changes})
    cfg.merge_from_dict({'default_hooks.runtime_info': dict(type=hook)})
    cfg.experiment_name = cfg.visualizer.name = f'{work_dir.name}-{hook}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def losses(runner: Runner) -> list:
    """What was logged of the losses."""
    (log,) = Path(runner.work_dir).glob('*/vis_data/scalars.json')
    lines = map(json.loads, log.read_text().splitlines())
    keys = (
        'iter',
        'step',
        'lr',
        'grad_norm',
        'loss',
        'decode.loss_focal',
        'decode.acc_seg',
        'mIoU',
    )
    return [[line.get(key) for key in keys] for line in lines]


@pytest.fixture
def cfg(pseudo_data, monkeypatch, root) -> Config:
    """Five iterations on four pseudo images, a log line every second one."""
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    path = root / 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py'
    cfg = Config.fromfile(path)
    off = dict(num_workers=0, persistent_workers=False)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].update(off)
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [4, 8]
    cfg.train_dataloader.batch_size = 1
    cfg.train_dataloader.dataset.pipeline[2].crop_size = (64, 64)
    cfg.train_cfg.update(max_iters=5, val_interval=3)
    cfg.param_scheduler = []
    cfg.default_hooks.logger.interval = 2
    cfg.default_hooks.checkpoint.interval = 5
    return cfg


@pytest.mark.parametrize(
    ('by_epoch', 'clip', 'norms'),
    [
        (False, None, False),
        (True, dict(max_norm=1.0), True),
        (False, dict(max_norm=0.5, norm_type='inf'), True),
        (False, dict(type='value', clip_value=0.1), False),
    ],
)
def test_the_log_is_the_same(cfg, tmp_path, by_epoch, clip, norms):
    cfg.optim_wrapper.clip_grad = clip
    if by_epoch:
        cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
        cfg.train_dataloader.sampler.type = 'DefaultSampler'
        cfg.log_processor.by_epoch = cfg.default_hooks.checkpoint.by_epoch = True
    wanted = losses(trained(cfg, tmp_path, 'RuntimeInfoHook'))
    lines = [line for line in wanted if line[4] is not None]
    assert len(lines) >= 2
    assert all((line[3] is not None) == norms for line in lines)
    assert losses(trained(cfg, tmp_path, 'DeferredRuntimeInfoHook')) == wanted


def test_the_checkpoint_holds_all_that_happened(cfg, tmp_path):
    cfg.default_hooks.logger.interval = 100
    histories = []
    for hook in ('RuntimeInfoHook', 'DeferredRuntimeInfoHook'):
        runner = trained(cfg, tmp_path, hook)
        state = load_file(Path(runner.work_dir, 'iter_5.pth'), 'cpu')
        histories.append(state['message_hub']['log_scalars']['train/loss'].data)
    assert histories[0][0].tolist() == histories[1][0].tolist()
    assert len(histories[0][0]) == 5


def test_nothing_is_fetched_until_it_is_logged(cfg, tmp_path, monkeypatch):
    fetched = []
    original = DeferredRuntimeInfoHook._fetch

    def watched(self, runner):
        if self._waiting:
            fetched.append(runner.iter + 1)
        original(self, runner)

    monkeypatch.setattr(DeferredRuntimeInfoHook, '_fetch', watched)
    cfg.train_cfg.update(max_iters=8, val_interval=100)
    cfg.default_hooks.logger.interval = 3
    cfg.default_hooks.checkpoint.interval = 100
    runner = trained(cfg, tmp_path, 'DeferredRuntimeInfoHook')
    assert fetched == [3, 4, 6, 8]  # log lines, the end of the first epoch, the end
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 8


def test_a_loss_that_is_not_finite_is_named_when_it_is_fetched(cfg, tmp_path, monkeypatch):
    original, calls = SoftIoULoss.compute, []

    def broken(self, *args):
        calls.append(None)
        values, weights = original(self, *args)
        return values * (float('nan') if len(calls) >= 3 else 1), weights

    monkeypatch.setattr(SoftIoULoss, 'compute', broken)
    cfg.default_hooks.logger.interval = 4
    cfg.train_cfg.val_interval = 100
    stopped = r'loss_iou is nan in iteration 3 \(epoch 1\), on .*\.png'
    with pytest.raises(FloatingPointError, match=stopped) as error:
        trained(cfg, tmp_path, 'DeferredRuntimeInfoHook')
    assert len(calls) == 4
    calls.clear()
    with pytest.raises(FloatingPointError) as immediate:
        trained(cfg, tmp_path, 'RuntimeInfoHook')
    assert len(calls) == 3
    assert str(error.value) == str(immediate.value)
