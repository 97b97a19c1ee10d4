import copy
import importlib
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_attn.engine.hooks import ActivationCheckpointHook
from mmseg_attn.engine.hooks.activation_checkpoint_hook import checkpoint_stages, find_stages

NORM = dict(type='BN')
OURS = (
    *('U-Net', 'Attention U-Net', 'LFA-UNet', 'DA-UNet', 'CSAM-ResUNet', 'Hybrid-UNet', 'MSANet'),
    *('P-UNet', 'U-Net + self-attention', 'R2U-Net', 'SA-UNet', 'residual U-Net', 'U-Net++'),
    *('FR-UNet', 'SegNet'),
)
RESNET = dict(type='ResNetV1c', depth=50, base_channels=4, stem_channels=4, norm_cfg=NORM)
HEAD = dict(in_channels=128, in_index=3, channels=8, num_classes=4, norm_cfg=NORM)
THEIRS = {
    'FCN': dict(type='FCNHead', **HEAD),
    'PSPNet': dict(type='PSPHead', **HEAD),
    'DeepLabV3+': dict(type='DepthwiseSeparableASPPHead', **HEAD, c1_in_channels=16, c1_channels=4),
}


def segmentor(name: str) -> nn.Module:
    """A small network in training, with dropout where it has some."""
    torch.manual_seed(0)
    if name in OURS:
        return MODELS.build(importlib.import_module('networks').load(name, 8).model).train()
    cfg = dict(type='EncoderDecoder', backbone=RESNET, decode_head=THEIRS[name])
    preprocessor = dict(type='SegDataPreProcessor', size_divisor=1)
    cfg |= dict(data_preprocessor=preprocessor, test_cfg=dict(mode='whole'))
    auxiliary = dict(type='FCNHead', **{**HEAD, 'in_channels': 64, 'in_index': 2})
    return MODELS.build({**cfg, 'auxiliary_head': [auxiliary]}).train()


def batch() -> dict:
    random = torch.Generator().manual_seed(0)
    size = 48, 40
    meta = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), size)
    images = torch.randint(256, (2, 3, *size), generator=random, dtype=torch.uint8)
    labels = torch.randint(4, (2, 1, *size), generator=random)
    samples = [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=x)) for x in labels]
    return dict(inputs=list(images), data_samples=samples)


def step(model: nn.Module) -> dict[str, torch.Tensor]:
    """Everything that a step leaves: loss, gradients, statistics, the state of the dice."""
    torch.manual_seed(1)
    data = model.data_preprocessor(batch(), training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    left = {f'gradient of {name}': x.grad for name, x in model.named_parameters()}
    return left | dict(model.named_buffers()) | dict(loss=loss.detach(), next=torch.rand(3))


@pytest.mark.parametrize('name', [*OURS, *THEIRS])
def test_a_step_leaves_the_same_bit_for_bit(name, root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / 'benchmarks'))
    model = segmentor(name)
    other = copy.deepcopy(model)
    checkpoint_stages(find_stages(other))
    wanted, found = step(model), step(other)
    assert wanted.keys() == found.keys()
    assert [key for key in wanted if not torch.equal(wanted[key], found[key])] == []
    counts = [x for key, x in found.items() if key.endswith('num_batches_tracked')]
    assert all(x > 0 for x in counts)


def small(norm: nn.Module) -> nn.Module:
    """A model of one stage that normalizes and drops."""
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.stage = nn.Sequential(nn.Conv2d(1, 2, 3), norm, nn.Dropout(0.5))
    return model


class Counted(nn.BatchNorm2d):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


def test_a_stage_runs_again_only_where_gradients_are_wanted():
    norm = Counted(2, momentum=None)  # the mean of all batches: a batch that counts twice shows
    model = small(norm)
    (stage,) = find_stages(model)
    checkpoint_stages([stage])
    x = torch.rand(3, 1, 5, 5)
    stage(x).sum().backward()
    assert (norm.calls, norm.num_batches_tracked.item()) == (2, 1)
    with torch.no_grad():
        stage(x)
    assert (norm.calls, norm.num_batches_tracked.item()) == (3, 2)
    stage.eval()
    stage(x).sum().backward()
    assert norm.calls == 4
    del stage.forward
    stage.train()(x).sum().backward()
    assert norm.calls == 5


def test_buffers_are_the_same_tensors_after_an_error_in_the_backward_pass():
    class Broken(nn.BatchNorm2d):
        def forward(self, x):
            if self.num_batches_tracked:
                raise RuntimeError('second time')
            return super().forward(x)

    norm = Broken(2)
    model, kept = small(norm), list(norm.buffers())
    checkpoint_stages(find_stages(model))
    loss = model.backbone.stage(torch.rand(3, 1, 5, 5)).sum()
    with pytest.raises(RuntimeError, match='second time'):
        loss.backward()
    assert all(x is y for x, y in zip(norm.buffers(), kept, strict=True))


def test_less_is_kept_from_the_forward_pass(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / 'benchmarks'))

    def kept(model: nn.Module) -> int:
        sizes = {}

        def keep(x):
            sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            model(model.data_preprocessor(batch(), training=True)['inputs'], mode='tensor')
        return sum(sizes.values())

    model = segmentor('U-Net')
    wanted = kept(model)
    checkpoint_stages(find_stages(model))
    assert kept(model) < wanted / 2


def test_which_stages(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / 'benchmarks'))

    def names(model: nn.Module, modules: list[str] | None = None) -> list[str]:
        known = {module: name for name, module in model.named_modules()}
        return [known[stage] for stage in find_stages(model, modules)]

    unet = segmentor('U-Net')
    assert names(unet) == [
        *(f'backbone.stages.{i}' for i in range(5)),
        *(f'decode_head.blocks.{i}' for i in range(4)),
    ]
    assert names(unet, ['decode_head.blocks.0']) == ['decode_head.blocks.0']
    fcn = ['backbone.stem', *(f'backbone.layer{i}' for i in range(1, 5))]
    fcn += ['decode_head.convs', 'decode_head.conv_cat']
    assert names(segmentor('FCN'))[:7] == fcn
    assert names(segmentor('FCN'))[7:] == ['auxiliary_head.0.convs', 'auxiliary_head.0.conv_cat']
    with pytest.raises(ValueError, match=r"the model has no module 'backbone\.stage'"):
        find_stages(unet, ['backbone.stage'])


@pytest.fixture
def cfg(pseudo_data, monkeypatch, root) -> Config:
    """Three iterations of a small U-Net on pseudo images, with a validation after the second."""
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    cfg = Config.fromfile(root / 'configs/unet/unet-b16_1xb4-600i_drosophila-128x128.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].update(num_workers=0, persistent_workers=False)
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [4, 8]
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.dataset.pipeline[2].crop_size = (32, 32)
    cfg.train_cfg.update(max_iters=3, val_interval=2)
    cfg.param_scheduler = []
    cfg.default_hooks.pop('visualization')
    return cfg


def trained(cfg: Config, work_dir: Path, **changes) -> Runner:
    cfg = Config(cfg.to_dict())
    cfg.merge_from_dict(dict(work_dir=str(work_dir), experiment_name=work_dir.name, **changes))
    cfg.visualizer.name = work_dir.name
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_a_training_is_the_same(cfg, tmp_path):
    wanted = trained(cfg, tmp_path / 'without').model.state_dict()
    option = {'default_hooks.activation_checkpoint.type': 'ActivationCheckpointHook'}
    runner = trained(cfg, tmp_path / 'with', **option)
    assert any(isinstance(hook, ActivationCheckpointHook) for hook in runner.hooks)
    found = runner.model.state_dict()
    assert [key for key in wanted if not torch.equal(wanted[key], found[key])] == []
    assert [name for name, x in runner.model.named_modules() if 'forward' in vars(x)] == []


def test_it_and_compile_exclude_each_other(cfg):
    cfg.compile = True
    hook = HOOKS.build(dict(type='ActivationCheckpointHook'))
    with pytest.raises(ValueError, match='does not work with compile: remove compile'):
        hook.before_train(Mock(cfg=cfg))


class Overwriting(nn.Module):
    """Writes into its list of inputs, as the modules of HRNet do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))

    def forward(self, x: list) -> list:
        for i, layer in enumerate(self.layers):
            x[i] = layer(x[i]).square()
        return x


def test_a_stage_that_writes_into_its_list_of_inputs():
    torch.manual_seed(0)
    plain, x = Overwriting(), [torch.rand(2, 3), torch.rand(2, 3)]
    saving = copy.deepcopy(plain)
    checkpoint_stages([saving])
    for model in (plain, saving):
        sum(y.sum() for y in model([*x])).backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
