"""A runner whose training steps cost less and mean the same."""

import copy
import inspect
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from mmseg.models.decode_heads import decode_head
from mmseg.registry import RUNNERS
from torch import Tensor, nn
from torch.optim import Optimizer

PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')
IN_MEMORY = 'mmseg.InMemoryDataset'


@RUNNERS.register_module()
class FastRunner(Runner):
    """MMEngine's ``Runner`` with faster training steps, for any config: ``runner_type``.

    - The network is channels-last, before anything wraps it.
    - The forward pass is in bfloat16 where the processor has instructions for it
      (:class:`Bf16OptimWrapper`), unless the config has a wrapper other than ``OptimWrapper``.
    - The optimizer is fused where PyTorch has a fused one.
    - On a GPU, images are copied from pinned memory while it works, losses are fetched when they
      are logged (:class:`DeferredRuntimeInfoHook`), and the accuracy in the log is counted without
      waiting for the device.
    - ``compile=True``, or a dict of arguments, compiles the parts of the network with
      ``torch.compile`` rather than, as MMEngine does, steps with their data and logs.
    - ``in_memory=True`` keeps training and validation images decoded (:func:`in_memory_dataset`).

    Validation and test are in float32, as with ``Runner``. Checkpoints are the same; either runner
    resumes the other's.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'FastRunner':
        """Build from a config, after setting in a copy of it what is faster."""
        return super().from_cfg(faster(cfg))

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model in channels-last."""
        model = super().build_model(model).to(memory_format=torch.channels_last)
        if get_device() == 'cuda' and hasattr(model, 'data_preprocessor'):
            model.data_preprocessor._non_blocking = True
        return model

    def resume(self, *args, **kwargs) -> None:
        """Resume; the optimizer's state follows the layout of the weights."""
        super().resume(*args, **kwargs)
        if isinstance(getattr(self.optim_wrapper, 'optimizer', None), Optimizer):
            match_layout(self.optim_wrapper.optimizer)

    def train(self) -> nn.Module:
        """Train; MMSegmentation's heads count their accuracy without waiting for the device."""
        original, decode_head.accuracy = decode_head.accuracy, accuracy
        try:
            return super().train()
        finally:
            decode_head.accuracy = original

    def _maybe_compile(self, target: str) -> None:
        options = self.cfg.get('compile')
        if not options:
            return
        options = {} if options is True else options
        model = self.model.module if is_model_wrapper(self.model) else self.model
        for name in PARTS:
            part = getattr(model, name, None)
            for each in part if isinstance(part, nn.ModuleList) else [part]:
                if each is not None:  # heads call their forward method, not themselves
                    each.forward = torch.compile(each.forward, **options)


def faster(cfg: Config) -> Config:
    """Return a copy of a config with the settings that make a training step faster."""
    cfg, device = copy.deepcopy(cfg), get_device()
    wrapper = cfg.get('optim_wrapper') or {}
    if wrapper.get('type') == 'OptimWrapper' and has_bfloat16(device):
        wrapper.type = 'mmseg.Bf16OptimWrapper'
    optimizer = wrapper.get('optimizer') or {}
    if device in ('cuda', 'cpu') and has_fused(optimizer):
        optimizer.fused = True
    if device != 'cpu':
        hook = dict(runtime_info=dict(type='mmseg.DeferredRuntimeInfoHook'))
        cfg.default_hooks = hook | (cfg.get('default_hooks') or {})
    for name in ('train_dataloader', 'val_dataloader'):
        loader = cfg.get(name)
        if loader is not None:
            loader.setdefault('pin_memory', device == 'cuda')
            if cfg.get('in_memory') and loader.dataset.type != IN_MEMORY:
                loader.dataset = dict(type=IN_MEMORY, dataset=loader.dataset)
    return cfg


def has_bfloat16(device: str) -> bool:
    """Whether a device multiplies matrices of bfloat16 itself; elsewhere they are slower."""
    if device == 'cuda':
        return torch.cuda.get_device_capability() >= (8, 0)
    info = Path('/proc/cpuinfo')
    return device == 'cpu' and info.exists() and 'bf16' in info.read_text()


def has_fused(optimizer: dict) -> bool:
    """Whether the optimizer of a config can be fused and the config leaves that open."""
    kind = OPTIMIZERS.get(optimizer['type']) if 'type' in optimizer else None
    open_ = not {'fused', 'foreach'} & set(optimizer)
    return open_ and kind is not None and 'fused' in inspect.signature(kind).parameters


def match_layout(optimizer: Optimizer) -> None:
    """Lay out an optimizer's state like the weights; fused optimizers go by memory alone."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def accuracy(pred: Tensor, target: Tensor, *, ignore_index: int | None = None) -> Tensor:
    """Count the share of pixels that are right, in per cent, as MMSegmentation's ``accuracy`` does.

    Args:
        pred: logits ``(N, C, H, W)``.
        target: labels ``(N, H, W)``.
        ignore_index: label of the pixels that do not count.

    Returns:
        ``(1,)``, still on the device; 0 if no pixel counts.
    """
    valid = target != (-1 if ignore_index is None else ignore_index)
    right = (pred.topk(1, dim=1).indices.squeeze(1) == target) & valid
    return (100 * right.sum() / valid.sum().clamp(min=1)).reshape(1)
