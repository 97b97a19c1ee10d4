"""A runner whose training steps cost less and mean the same."""

import copy

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch import nn

from .allocation import keep_freed_memory

PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')
FUSED = ('Adam', 'AdamW', 'SGD')  # what PyTorch has a fused version of, on CPUs and on GPUs


@RUNNERS.register_module()
class FastRunner(Runner):
    """MMEngine's ``Runner`` with faster training steps, for any config: ``runner_type``.

    - The network is channels-last, before anything wraps it.
    - The forward pass of the training is in bfloat16 (:class:`BF16OptimWrapper`), unless the config
      has another wrapper than ``OptimWrapper``.
    - Adam, AdamW and SGD are fused, unless the config says something about that.
    - On the CPU, memory is kept and used again (:func:`keep_freed_memory`).
    - On a GPU, images are copied from pinned memory while it works, and losses are fetched when
      they are logged (:class:`DeferredRuntimeInfoHook`).
    - ``compile=True``, or a dict of arguments, compiles the parts of the network with
      ``torch.compile`` rather than, as MMEngine does, steps with their data and logs.

    Validation and test are in float32, as with ``Runner``. Checkpoints are the same: either runner
    resumes the other's (:class:`PortableOptimizerHook`).
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'FastRunner':
        """Build from a config, after setting in a copy of it what is faster."""
        return super().from_cfg(faster(cfg))

    def setup_env(self, env_cfg: dict) -> None:
        """Set up the environment, memory included."""
        super().setup_env(env_cfg)
        if get_device() == 'cpu':
            keep_freed_memory()

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model in channels-last."""
        model = super().build_model(model)
        if get_device() in ('cpu', 'cuda'):
            model.to(memory_format=torch.channels_last)
        if get_device() == 'cuda' and hasattr(model, 'data_preprocessor'):
            model.data_preprocessor._non_blocking = True
        return model

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
    if device == 'cpu' and wrapper.get('type') == 'AmpOptimWrapper':  # --amp
        for key in ('loss_scale', 'dtype'):
            wrapper.pop(key, None)
        wrapper.type = 'OptimWrapper'
    if device in ('cpu', 'cuda') and wrapper.get('type') == 'OptimWrapper':
        wrapper.type = 'mmseg.BF16OptimWrapper'
    optimizer = wrapper.get('optimizer') or {}
    decided = {'fused', 'foreach', 'capturable', 'differentiable'} & set(optimizer)
    if device in ('cpu', 'cuda') and optimizer.get('type') in FUSED and not decided:
        optimizer.fused = True
    hooks = [dict(type='mmseg.PortableOptimizerHook')]
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *hooks]
    if device == 'cuda':
        hook = dict(runtime_info=dict(type='mmseg.DeferredRuntimeInfoHook'))
        cfg.default_hooks = hook | (cfg.get('default_hooks') or {})
        for name in ('train_dataloader', 'val_dataloader'):
            if cfg.get(name):
                cfg[name].setdefault('pin_memory', True)
    return cfg
