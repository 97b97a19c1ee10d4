import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmseg.models.decode_heads import decode_head
from mmseg.models.losses import accuracy as mmseg_accuracy
from torch import nn

from mmseg_attn.engine import fast_runner
from mmseg_attn.engine.fast_runner import FastRunner, accuracy, faster, match_layout


@pytest.fixture
def cfg(pseudo_data, monkeypatch, root) -> Config:
    """A small U-Net, one epoch of four iterations on pseudo data."""
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    cfg = Config.fromfile(root / 'configs/unet/unet_1xb8-1500e_drosophila-256x256.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].update(num_workers=0, persistent_workers=False)
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [8, 16]
    cfg.train_dataloader.batch_size = 1
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.checkpoint.interval = 1
    return cfg


def run(cfg: Config, work_dir: Path, **changes) -> Runner:
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(dict(work_dir=str(work_dir), experiment_name=str(work_dir), **changes))
    cfg.visualizer.name = str(work_dir)
    runner = RUNNERS.build(cfg)
    runner.train()
    return runner


def last(runner: Runner, *names: str) -> list[float]:
    return [runner.message_hub.get_scalar(name).current() for name in names]


def test_the_base_goes_with_every_config_and_with_options(tmp_path, root):
    leaf = tmp_path / 'fast.py'
    names = ('unet/unet_1xb8-1500e_drosophila-256x256', '_base_/fast_runtime')
    bases = [str(root / f'configs/{name}.py') for name in names]
    leaf.write_text(f'_base_ = {bases}\nin_memory = True\n')
    cfg = Config.fromfile(leaf)
    assert (cfg.runner_type, cfg.in_memory, cfg.compile) == ('FastRunner', True, False)
    assert RUNNERS.get(cfg.runner_type) is None or True
    assert cfg.optim_wrapper.optimizer.lr == 0.001


@pytest.mark.parametrize('in_memory', [False, True])
def test_one_epoch_gives_the_same_metrics(cfg, tmp_path, monkeypatch, in_memory):
    names = 'train/loss', 'train/decode.acc_seg', 'val/aAcc', 'val/mIoU'
    monkeypatch.setattr(fast_runner, 'has_bfloat16', lambda device: True)
    wanted = last(run(cfg, tmp_path / 'default'), *names)
    fast = run(cfg, tmp_path / 'fast', runner_type='FastRunner', in_memory=in_memory)
    loss, *percents = last(fast, *names)
    assert loss == pytest.approx(wanted[0], rel=0.02)
    assert percents == pytest.approx(wanted[1:], abs=2)
    assert type(fast.optim_wrapper).__name__ == 'Bf16OptimWrapper'
    assert fast.optim_wrapper.optimizer.defaults['fused']
    first = fast.train_dataloader.dataset.pipeline.transforms[0]
    assert (type(first).__name__ == 'Recall') == in_memory


def test_without_bfloat16_the_losses_are_the_same(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(fast_runner, 'has_bfloat16', lambda device: False)
    runners = [
        run(cfg, tmp_path / kind, runner_type=kind, randomness=dict(seed=0))
        for kind in ('Runner', 'FastRunner')
    ]
    wanted, found = (r.message_hub.get_scalar('train/loss').data[0].tolist() for r in runners)
    assert len(wanted) == 4
    assert found == pytest.approx(wanted, rel=1e-4)
    assert type(runners[1].optim_wrapper).__name__ == 'OptimWrapper'
    weight = runners[1].model.backbone.stages[1][0].conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


@pytest.mark.parametrize('kinds', [('Runner', 'FastRunner'), ('FastRunner', 'Runner')])
def test_either_runner_resumes_the_others_checkpoint(cfg, tmp_path, monkeypatch, kinds):
    monkeypatch.setattr(fast_runner, 'has_bfloat16', lambda device: False)

    def losses(kinds: tuple[str, str]) -> list[float]:
        work_dir = tmp_path / '-'.join(kinds)
        run(cfg, work_dir, runner_type=kinds[0])
        changes = {'train_cfg.max_epochs': 3, 'resume': True, 'runner_type': kinds[1]}
        runner = run(cfg, work_dir, **changes)
        return runner.message_hub.get_scalar('train/loss').data[0].tolist()

    wanted = losses(('Runner', 'Runner'))
    assert len(wanted) == 12
    assert losses(kinds) == pytest.approx(wanted, rel=1e-3)


def test_the_optimizers_state_follows_the_layout_of_the_weights():
    torch.manual_seed(0)
    models = [nn.Conv2d(3, 4, 3) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(2, 3, 8, 8)

    def step(model, optimizer):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    plain = torch.optim.Adam(models[0].parameters(), lr=0.1)
    step(models[0], plain)
    models[1].load_state_dict(models[0].state_dict())
    models[1].to(memory_format=torch.channels_last)
    fused = torch.optim.Adam(models[1].parameters(), lr=0.1, fused=True)
    state = copy.deepcopy(plain.state_dict())
    state['param_groups'][0]['fused'] = True
    fused.load_state_dict(state)
    match_layout(fused)
    step(models[0], plain)
    step(models[1], fused)
    assert torch.allclose(models[0].weight, models[1].weight, atol=1e-6)


def test_compiled_parts_give_the_same_and_leave_the_names_of_the_weights(cfg, tmp_path):
    compiled = run(
        cfg, tmp_path / 'c', runner_type='FastRunner', compile=dict(backend='eager')
    )
    plain = run(cfg, tmp_path / 'p', runner_type='FastRunner')
    assert 'forward' in vars(compiled.model.backbone)
    assert 'forward' in vars(compiled.model.decode_head)
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())
    assert last(compiled, 'train/loss') == pytest.approx(last(plain, 'train/loss'), rel=1e-3)


@pytest.mark.parametrize(
    ('given', 'wrapper', 'fused'),
    [
        (dict(type='OptimWrapper', optimizer=dict(type='Adam')), 'mmseg.Bf16OptimWrapper', True),
        (dict(type='OptimWrapper', optimizer=dict(type='SGD')), 'mmseg.Bf16OptimWrapper', True),
        (dict(type='AmpOptimWrapper', optimizer=dict(type='Adam')), 'AmpOptimWrapper', True),
        (dict(type='OptimWrapper', optimizer=dict(type='Adam', fused=False)), None, False),
        (dict(type='OptimWrapper', optimizer=dict(type='Adam', foreach=True)), None, None),
        (dict(type='OptimWrapper', optimizer=dict(type='Rprop')), None, None),
    ],
)
def test_what_the_config_says_itself_stays(monkeypatch, given, wrapper, fused):
    monkeypatch.setattr(fast_runner, 'has_bfloat16', lambda device: True)
    cfg = Config(dict(optim_wrapper=given))
    before = copy.deepcopy(cfg)
    found = faster(cfg).optim_wrapper
    assert cfg == before
    assert found.type == wrapper or wrapper is None
    assert found.optimizer.get('fused') is fused


def test_on_a_gpu_nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(fast_runner, 'get_device', lambda: 'cuda')
    monkeypatch.setattr(fast_runner, 'has_bfloat16', lambda device: True)
    loader = dict(dataset=dict(type='DrosophilaDataset'))
    cfg = Config(dict(train_dataloader=loader, in_memory=True, default_hooks=dict(a=dict(type='b'))))
    found = faster(cfg)
    assert found.default_hooks.runtime_info.type == 'mmseg.DeferredRuntimeInfoHook'
    assert found.default_hooks.a.type == 'b'
    assert found.train_dataloader.pin_memory
    assert found.train_dataloader.dataset.dataset.type == 'DrosophilaDataset'
    again = faster(found)  # a config that a run has saved
    assert again.train_dataloader == found.train_dataloader


@pytest.mark.parametrize('classes', [1, 5])
def test_accuracy_is_mmsegmentations(classes):
    logits = torch.randn(2, classes, 8, 9)
    labels = torch.randint(0, 3, (2, 8, 9))
    labels[0, 0] = 255
    for ignore in (255, None):
        wanted = mmseg_accuracy(logits, labels, ignore_index=ignore)
        assert torch.allclose(accuracy(logits, labels, ignore_index=ignore), wanted)
    assert accuracy(logits, torch.full_like(labels, 255), ignore_index=255) == 0


def test_the_heads_get_their_accuracy_back(cfg, tmp_path):
    original = decode_head.accuracy
    run(cfg, tmp_path, runner_type='FastRunner')
    assert decode_head.accuracy is original
    assert issubclass(FastRunner, Runner)
