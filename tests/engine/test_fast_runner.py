import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.engine import fast_runner
from mmseg_attn.engine.fast_runner import FastRunner, check_compile, faster, has_fused
from mmseg_attn.engine.optim import bf16_optim_wrapper

CPU_FUSED = has_fused('Adam', 'cpu')


def can_compile() -> bool:
    try:
        check_compile()
    except RuntimeError:
        return False
    return True


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


@pytest.fixture
def bfloat16(monkeypatch):
    """Say whether the processor has bfloat16."""

    def say(has: bool) -> None:
        monkeypatch.setattr(bf16_optim_wrapper, 'has_bfloat16', lambda device: has)

    return say


def run(cfg: Config, work_dir: Path, **changes) -> Runner:
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(dict(work_dir=str(work_dir), experiment_name=str(work_dir), **changes))
    cfg.visualizer.name = str(work_dir)
    runner = RUNNERS.build(cfg)
    runner.train()
    return runner


def last(runner: Runner, *names: str) -> list[float]:
    return [runner.message_hub.get_scalar(name).current() for name in names]


def losses(runner: Runner) -> list[float]:
    return runner.message_hub.get_scalar('train/loss').data[0].tolist()


def test_the_base_goes_with_every_config(tmp_path, root):
    leaf = tmp_path / 'fast.py'
    names = ('unet/unet_1xb8-1500e_drosophila-256x256', '_base_/fast_runtime')
    leaf.write_text(f'_base_ = {[str(root / f"configs/{name}.py") for name in names]}\n')
    cfg = Config.fromfile(leaf)
    assert (cfg.runner_type, cfg.compile) == ('FastRunner', False)
    assert cfg.optim_wrapper.optimizer.lr == 0.001


def test_one_epoch_gives_the_same_metrics(cfg, tmp_path, bfloat16):
    """Loss within 2 %, accuracy and mIoU within two points of the default's."""
    bfloat16(True)
    names = 'train/loss', 'train/decode.acc_seg', 'val/aAcc', 'val/mIoU'
    wanted = last(run(cfg, tmp_path / 'default'), *names)
    fast = run(cfg, tmp_path / 'fast', runner_type='FastRunner')
    loss, *percents = last(fast, *names)
    assert loss == pytest.approx(wanted[0], rel=0.02)
    assert percents == pytest.approx(wanted[1:], abs=2)
    assert type(fast.optim_wrapper).__name__ == 'BF16OptimWrapper'
    assert fast.optim_wrapper.optimizer.defaults['fused'] in (
        {True} if CPU_FUSED else {None, False}
    )


def test_in_float32_the_losses_are_the_same(cfg, tmp_path, bfloat16):
    bfloat16(False)
    wanted, found = (
        run(cfg, tmp_path / kind, runner_type=kind, randomness=dict(seed=0))
        for kind in ('Runner', 'FastRunner')
    )
    assert len(losses(wanted)) == 4
    assert losses(found) == pytest.approx(losses(wanted), rel=1e-4)
    weight = found.model.backbone.stages[1][0].conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert type(found.model.data_preprocessor).__name__ == 'AsyncSegDataPreProcessor'
    assert 'Async' not in found.cfg.pretty_text  # nor in the checkpoint


@pytest.mark.parametrize('kinds', [('Runner', 'FastRunner'), ('FastRunner', 'Runner')])
def test_either_runner_resumes_the_others_checkpoint(cfg, tmp_path, bfloat16, kinds):
    bfloat16(False)

    def resumed(kinds: tuple[str, str]) -> Runner:
        work_dir = tmp_path / '-'.join(kinds)
        run(cfg, work_dir, runner_type=kinds[0])
        changes = {'train_cfg.max_epochs': 3, 'resume': True, 'runner_type': kinds[1]}
        return run(cfg, work_dir, **changes)

    wanted, found = losses(resumed(('Runner', 'Runner'))), resumed(kinds)
    assert len(wanted) == 12
    assert losses(found) == pytest.approx(wanted, rel=1e-3)
    (group,) = found.optim_wrapper.optimizer.param_groups
    assert bool(group['fused']) == (CPU_FUSED and kinds[1] == 'FastRunner')


def test_a_checkpoint_does_not_tell_that_it_was_fast(cfg, tmp_path, bfloat16):
    bfloat16(True)
    run(cfg, tmp_path, runner_type='FastRunner')
    saved = load_file(tmp_path / 'epoch_1.pth', 'cpu')['optimizer']
    assert saved['param_groups'][0]['fused'] is None
    averages = [state['exp_avg'] for state in saved['state'].values()]
    assert any(each.dim() == 4 and each.shape[1] > 1 for each in averages)
    assert all(each.is_contiguous() for each in averages)


def test_its_checkpoint_is_tested_by_either(cfg, tmp_path, bfloat16):
    bfloat16(True)
    run(cfg, tmp_path, runner_type='FastRunner')
    changes = dict(load_from=str(tmp_path / 'epoch_1.pth'), work_dir=str(tmp_path))
    scores = []
    for kind in ('Runner', 'FastRunner'):
        each = copy.deepcopy(cfg)
        each.merge_from_dict(dict(changes, runner_type=kind, experiment_name=f'{tmp_path}{kind}'))
        each.visualizer.name = f'{tmp_path}{kind}'
        scores.append(RUNNERS.build(each).test()['mIoU'])
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


@pytest.mark.skipif(not can_compile(), reason='this PyTorch cannot compile on this Python')
def test_compiled_parts_give_the_same_and_leave_the_names_of_the_weights(cfg, tmp_path, bfloat16):
    bfloat16(False)
    options = dict(runner_type='FastRunner')
    compiled = run(cfg, tmp_path / 'c', **options, compile=dict(backend='eager'))
    plain = run(cfg, tmp_path / 'p', **options)
    assert 'forward' in vars(compiled.model.backbone)
    assert {'forward', '_decode'} <= vars(compiled.model.decode_head).keys()
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-3)


@pytest.mark.parametrize(
    ('given', 'wrapper', 'fused'),
    [
        (dict(type='OptimWrapper', optimizer=dict(type='Adam')), 'mmseg.BF16OptimWrapper', True),
        (dict(type='OptimWrapper', optimizer=dict(type='SGD')), 'mmseg.BF16OptimWrapper', True),
        (
            dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(type='AdamW')),
            'mmseg.BF16OptimWrapper',  # --amp on a CPU
            True,
        ),
        (dict(type='Own', optimizer=dict(type='Adam', fused=False)), 'Own', False),
        (dict(type='Own', optimizer=dict(type='Adam', foreach=True)), 'Own', None),
        (dict(type='Own', optimizer=dict(type='Rprop')), 'Own', None),
        (dict(type='Own'), 'Own', None),
    ],
)
def test_what_the_config_says_itself_stays(monkeypatch, given, wrapper, fused):
    monkeypatch.setattr(fast_runner, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(torch, '__version__', '2.13.0')
    cfg = Config(dict(optim_wrapper=given))
    before = copy.deepcopy(cfg.to_dict())
    found = faster(cfg).optim_wrapper
    assert cfg.to_dict() == before
    assert found.type == wrapper
    assert 'loss_scale' not in found
    assert found.get('optimizer', {}).get('fused') is fused


def test_on_a_gpu_nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(fast_runner, 'get_device', lambda: 'cuda')
    loader = dict(dataset=dict(type='DrosophilaDataset'))
    amp = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(type='Adam'))
    hooks = dict(default_hooks=dict(a=dict(type='b')), custom_hooks=[dict(type='c')])
    model = dict(data_preprocessor=dict(type='SegDataPreProcessor'))
    loaders = dict(train_dataloader=loader, val_dataloader=loader)
    found = faster(Config(dict(model=model, optim_wrapper=amp, **loaders, **hooks)))
    assert found.default_hooks.runtime_info.type == 'mmseg.DeferredRuntimeInfoHook'
    assert found.default_hooks.a.type == 'b'
    assert [hook.type for hook in found.custom_hooks] == ['c', 'mmseg.PortableOptimizerHook']
    assert found.train_dataloader.pin_memory
    assert found.train_dataloader.collate_fn == dict(type='compact_collate')
    assert found.val_dataloader == dict(loader, pin_memory=True)
    assert found.optim_wrapper.type == 'AmpOptimWrapper'  # --amp is taken at its word
    assert found.optim_wrapper.optimizer.fused
    again = faster(found)  # a config that a run has written
    assert again.to_dict() == found.to_dict()


@pytest.mark.parametrize(
    ('model', 'loader'),
    [
        (dict(data_preprocessor=dict(type='Own')), dict(batch_size=1)),
        (dict(), dict(batch_size=1)),
        (dict(data_preprocessor=dict(type='SegDataPreProcessor')), dict(collate_fn=dict(type='x'))),
    ],
)
def test_label_maps_are_compact_only_where_they_are_unpacked(monkeypatch, model, loader):
    monkeypatch.setattr(fast_runner, 'get_device', lambda: 'cuda')
    found = faster(Config(dict(model=model, train_dataloader=loader)))
    assert found.train_dataloader == dict(loader, pin_memory=True)


@pytest.mark.parametrize('kind', ['SegDataPreProcessor', 'mmseg.SegDataPreProcessor'])
def test_the_preprocessor_of_mmsegmentation_is_known_by_its_names(kind):
    preprocessor = dict(type=kind, mean=[1.0], std=[2.0])
    assert fast_runner._has_plain_preprocessor(dict(data_preprocessor=preprocessor))
    assert fast_runner._has_plain_preprocessor(
        dict(data_preprocessor=dict(type=SegDataPreProcessor))
    )


@pytest.mark.parametrize(
    ('optimizer', 'device', 'since'),
    [
        ('Adam', 'cuda', '2.0.0'),
        ('AdamW', 'cuda', '2.0.0'),
        ('SGD', 'cuda', '2.3.0'),
        ('Adam', 'cpu', '2.4.0'),
        ('AdamW', 'cpu', '2.4.0'),
        ('SGD', 'cpu', '2.4.0'),
    ],
)
def test_fused_optimizers_by_version(monkeypatch, optimizer, device, since):
    versions = ['2.0.0', '2.0.1+cu117', '2.1.2', '2.2.2', '2.3.0', '2.3.1', '2.4.0', '2.13.0+cpu']
    for version in versions:
        monkeypatch.setattr(torch, '__version__', version)
        expected = versions.index(version) >= versions.index(since)
        assert has_fused(optimizer, device) == expected, version


@pytest.mark.parametrize(
    ('optimizer', 'device'), [('Rprop', 'cuda'), (None, 'cpu'), ('SGD', 'npu')]
)
def test_others_are_not_fused(optimizer, device):
    assert not has_fused(optimizer, device)


@pytest.mark.parametrize('optimizer', ['Adam', 'AdamW', 'SGD'])
def test_the_installed_pytorch_builds_what_is_called_fused(optimizer):
    weight = torch.nn.Parameter(torch.ones(3))
    kind = getattr(torch.optim, optimizer)
    if has_fused(optimizer, 'cpu'):
        weight.grad = torch.ones(3)
        kind([weight], lr=0.1, fused=True).step()
        assert (weight < 1).all()
    else:
        with pytest.raises((RuntimeError, TypeError)):
            kind([weight], lr=0.1, fused=True)


def test_compile_is_refused_in_one_sentence_where_pytorch_cannot(monkeypatch):
    def compile_(model, **options):
        raise RuntimeError('Python 3.11+ not yet supported for torch.compile\nmore')

    monkeypatch.setattr(torch, 'compile', compile_)
    sentence = (
        r'^compile is set, but PyTorch \S+ cannot compile here \(Python 3.11\+ not yet supported '
        r'for torch.compile\): set compile=False, or install a newer PyTorch$'
    )
    with pytest.raises(RuntimeError, match=sentence):
        FastRunner.from_cfg(Config(dict(compile=True)))


def test_without_a_training_there_is_nothing_to_set():
    found = faster(Config(dict(model=dict(type='x'), optim_wrapper=None)))
    assert found.optim_wrapper is None


@pytest.mark.parametrize('kind', [None, OptimWrapper, 'OptimWrapper', 'mmengine.OptimWrapper'])
@pytest.mark.parametrize('optimizer', [torch.optim.Adam, 'Adam', 'torch.optim.Adam'])
def test_every_way_to_write_the_plain_wrapper(kind, optimizer):
    wrapper = dict(optimizer=dict(type=optimizer, lr=1.0)) | (dict(type=kind) if kind else {})
    found = faster(Config(dict(optim_wrapper=wrapper))).optim_wrapper
    assert found.type == 'mmseg.BF16OptimWrapper'
    assert found.optimizer.get('fused', False) == CPU_FUSED


@pytest.mark.parametrize('head', ['UNetHead', 'LFAHead', 'NestedUNetHead'])
def test_the_loss_of_a_head_is_compiled(monkeypatch, head):
    called = []

    def compile_(method, **options):
        return lambda *args: called.append(method.__name__) or method(*args)

    monkeypatch.setattr(torch, 'compile', compile_)
    init_default_scope('mmseg')
    part = MODELS.build(dict(type=head, in_channels=[4, 8], num_classes=2))
    runner = SimpleNamespace(
        cfg=dict(compile=True), model=SimpleNamespace(decode_head=part, auxiliary_head=None)
    )
    FastRunner._maybe_compile(runner, 'train_step')
    labels = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 8, 8, dtype=torch.long)))
    part.loss([torch.rand(1, 4, 8, 8), torch.rand(1, 8, 4, 4)], [labels], {})
    assert called
