"""A training step on a device whose values the host cannot read, and on the CPU for the values.

On the meta device every read of a value raises, in PyTorch's operators as in Python, and so does
every shape that depends on one. What a GPU would wait for without reading is watched by operator.
"""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner import runner as mmengine_runner
from mmengine.structures import PixelData
from mmengine.utils import digit_version
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_attn.datasets import compact_collate
from mmseg_attn.engine import fast_runner
from mmseg_attn.engine.async_loss import make_losses_async
from mmseg_attn.engine.optim import bf16_optim_wrapper

ROOT = Path(__file__).resolve().parents[2]
ALGORITHMS = sorted(path.parent for path in ROOT.glob('configs/*/README.md'))
META = torch.device('meta')
WEIGHTS = [0.6, 2.9, 1.0, 0.3, 1.7]
LOSSES = dict(
    default=[dict(type='SoftmaxFocalLoss'), dict(type='SoftIoULoss')],
    ce=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ce_all=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    ce_weights=dict(type='CrossEntropyLoss', class_weight=WEIGHTS),
    ce_weights_valid=dict(type='CrossEntropyLoss', class_weight=WEIGHTS, avg_non_ignore=True),
    focal_weights=dict(type='SoftmaxFocalLoss', class_weight=WEIGHTS),
    ce_dice=[
        dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.5),
        dict(type='SoftDiceLoss', loss_weight=0.5),
    ],
    same_name=[dict(type='SoftDiceLoss'), dict(type='SoftIoULoss', loss_name='loss_dice')],
)
AUXILIARY = dict(
    type='FCNHead',
    in_channels=16,
    in_index=1,
    channels=4,
    num_convs=1,
    num_classes=5,
    norm_cfg=dict(type='BN'),
    loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.4),
)


needs_losses = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.1'),
    reason='before PyTorch 2.1 the meta device has no nll_loss2d',
)


class Waits(TorchDispatchMode):
    """Raise where the host would wait for a GPU, for which ``meta`` stands; count the copies to it.

    A copy from the host must not block, and no other operator may take both the GPU's tensors and
    the host's but scalars, which are arguments of a kernel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.copies, self._literals = 0, Literals()

    def __enter__(self) -> 'Waits':
        self._literals.__enter__()
        return super().__enter__()

    def __exit__(self, *error) -> None:
        super().__exit__(*error)
        self._literals.__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in _flat(args) if isinstance(x, Tensor)]
        on_device = any(x.is_meta for x in tensors) or getattr(out, 'is_meta', False)
        if on_device and not all(x.is_meta for x in tensors):
            if func is torch.ops.aten._to_copy.default:
                assert kwargs.get('non_blocking'), f'{func} blocks'
                self.copies += 1
            else:
                large = [tuple(x.shape) for x in tensors if not x.is_meta and x.dim()]
                assert not large, f'{func} copies {large} from the host'
                assert func is not torch.ops.aten.copy_.default, f'{func} blocks'
        return out


class Literals(TorchFunctionMode):
    """Raise where Python's numbers become a tensor of the GPU, which no operator shows."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = getattr(func, '__name__', '')
        if name in ('tensor', 'as_tensor', 'new_tensor') and out.is_meta:
            assert any(isinstance(x, Tensor) and x.is_meta for x in args[-1:]), f'{name} blocks'
        if name in ('__getitem__', '__setitem__') and args[0].is_meta:
            lists = [x for x in _flat(args[1:2]) if isinstance(x, list | np.ndarray)]
            assert not lists, f'{name} copies indices from the host'
        return out


def _flat(args: tuple) -> list:
    """Unpack the sequences among arguments, but keep them as well."""
    return [*args, *(x for arg in args if isinstance(arg, list | tuple) for x in arg)]


class Stop(Exception):
    pass


@pytest.fixture
def cfg(pseudo_data, monkeypatch, root) -> Config:
    """A small U-Net with an auxiliary head and clipped gradients, four steps on pseudo data."""
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    cfg = Config.fromfile(root / 'configs/unet/unet_1xb8-1500e_drosophila-256x256.py')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[key] = None
    cfg.model.backbone.channels = cfg.model.decode_head.in_channels = [8, 16]
    cfg.model.auxiliary_head = copy.deepcopy(AUXILIARY)
    cfg.optim_wrapper.clip_grad = dict(max_norm=1.0)
    cfg.train_cfg.update(max_epochs=2)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', save_best=None)
    monkeypatch.setattr(bf16_optim_wrapper, 'has_bfloat16', lambda device: False)
    return cfg


def build(cfg: Config, work_dir, kind: str, loss: str) -> Runner:
    cfg = copy.deepcopy(cfg)
    cfg.model.decode_head.loss_decode = LOSSES[loss]
    cfg.merge_from_dict(dict(work_dir=str(work_dir), experiment_name=f'{work_dir}{kind}{loss}'))
    cfg.visualizer.name, cfg.runner_type = cfg.experiment_name, kind
    return RUNNERS.build(cfg)


@pytest.fixture
def gpu_one_hot(monkeypatch) -> None:
    """Let ``one_hot`` look at no values, as on a GPU."""

    def one_hot(label, classes):
        return (label.unsqueeze(-1) == torch.arange(classes, device=label.device)).long()

    monkeypatch.setattr(F, 'one_hot', one_hot)


@pytest.fixture
def train(cfg, tmp_path, monkeypatch, gpu_one_hot):
    """Train three steps on the meta device, with all hooks; return the copies to it per step."""

    def run_iter(self, *args, **kwargs):
        with Waits() as waits:
            original(self, *args, **kwargs)
        copies.append(waits.copies)
        if len(copies) == 3:
            raise Stop

    original, copies = EpochBasedTrainLoop.run_iter, []
    monkeypatch.setattr(EpochBasedTrainLoop, 'run_iter', run_iter)
    monkeypatch.setattr(mmengine_runner, 'get_device', lambda: META)
    monkeypatch.setattr(Runner, '_init_model_weights', lambda self: None)  # reads them
    monkeypatch.setattr(fast_runner, 'get_device', lambda: 'cuda')
    monkeypatch.setattr(fast_runner, 'has_fused', lambda optimizer, device: False)
    cfg.train_dataloader.pin_memory = False  # takes a GPU
    cfg.default_hooks.logger.interval = 100

    def train(kind: str, loss: str) -> list[int]:
        runner = build(cfg, tmp_path, kind, loss)
        with pytest.raises(Stop):
            runner.train()
        return copies

    return train


@needs_losses
@pytest.mark.parametrize('loss', LOSSES)
def test_no_step_waits_for_the_device(train, loss):
    assert train('FastRunner', loss) == [2] * 3  # an image and its label map


@needs_losses
def test_a_step_of_mmengines_runner_does(train):
    with pytest.raises(AssertionError, match=r'aten._to_copy.default blocks'):
        train('Runner', 'ce')


@needs_losses
@pytest.mark.parametrize('folder', ALGORITHMS, ids=lambda folder: folder.name)
def test_no_network_waits_for_the_device(folder, pseudo_data, monkeypatch, gpu_one_hot):
    for name, value in pseudo_data.items():
        monkeypatch.setenv(name, value)
    model = Config.fromfile(min(folder.glob('*.py'))).model
    model.data_preprocessor.type = 'AsyncSegDataPreProcessor'
    channels, classes = model.backbone.get('in_channels', 3), model.decode_head.num_classes
    with META:
        model = MODELS.build(model).to(META)
    make_losses_async(model)
    model.to(META)
    optim_wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.1)))
    batch = []
    for _ in range(2):
        image = torch.randint(256, (channels, 64, 64), dtype=torch.uint8)
        labels = PixelData(data=torch.randint(classes, (1, 64, 64)))
        batch.append(dict(inputs=image, data_samples=SegDataSample(gt_sem_seg=labels)))
    with Waits() as waits:
        model.train_step(compact_collate(batch), optim_wrapper)
    assert waits.copies == 4


@pytest.mark.parametrize(
    'wait',
    [
        lambda x: x.sum().item(),
        lambda x: float(x.sum()),
        lambda x: bool(x.sum() > 0),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: x.cpu(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x[[2, 1, 0]],
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: torch.tensor([1.0, 2.0], device=x.device),
        lambda x: torch.zeros(3).to(x.device),
        lambda x: x.copy_(torch.zeros(3)),
    ],
)
def test_what_waits_is_seen(wait):
    x = torch.zeros(3, device=META)
    seen = AssertionError, NotImplementedError, RuntimeError, TypeError
    with Waits(), pytest.raises(seen):
        wait(x)


@pytest.mark.parametrize('loss', LOSSES)
def test_values_are_the_same(cfg, tmp_path, loss):
    cfg.optim_wrapper.optimizer.fused = False
    cfg.optim_wrapper.clip_grad = None  # the norm is summed in the order of memory
    runs = []
    for kind in ('Runner', 'FastRunner'):
        runs.append(build(cfg, tmp_path / kind, kind, loss))
        try:
            runs[-1].train()
        except IndexError:
            if kind == 'FastRunner':
                raise
            pytest.skip('this MMSegmentation cannot compute this loss')
    logs = [run.message_hub.log_scalars for run in runs]
    assert [*logs[0]] == [*logs[1]]
    names = [name for name in logs[0] if 'time' not in name]
    assert len(names) >= 6
    for name in names:
        assert logs[0][name].data[0].tolist() == logs[1][name].data[0].tolist(), name
    for name, weight in runs[0].model.state_dict().items():
        assert torch.equal(weight, runs[1].model.state_dict()[name]), name
