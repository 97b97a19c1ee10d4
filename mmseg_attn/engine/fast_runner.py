"""Train with faster steps, with the forward pass in bfloat16."""

import copy
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.utils import digit_version
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS, RUNNERS
from torch import nn

from ..config_types import type_name
from .allocation import keep_freed_memory
from .async_loss import make_losses_async

DEVICES = ('cpu', 'cuda')
PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')
METHODS = ('forward', '_decode', 'all_logits')  # the loss of a head may call the last two
# first version of PyTorch with a fused optimizer, by device
FUSED = dict(
    Adam=dict(cuda='2.0', cpu='2.4'),
    AdamW=dict(cuda='2.0', cpu='2.4'),
    SGD=dict(cuda='2.3', cpu='2.4'),
)


@RUNNERS.register_module()
class FastRunner(Runner):
    """Run faster training steps, for any config: ``runner_type='FastRunner'``.

    - The network is in the channels-last memory format.
    - The forward pass of the training is in bfloat16 (:class:`BF16OptimWrapper`), unless the config
      has another wrapper than ``OptimWrapper``.
    - Adam, AdamW and SGD are fused where PyTorch supports it, unless the config sets ``fused``,
      ``foreach``, ``capturable`` or ``differentiable``.
    - On the CPU, freed memory is reused (:func:`keep_freed_memory`).
    - On a GPU, the host does not wait for training steps: images and label maps are copied from
      pinned memory (:class:`AsyncSegDataPreProcessor`, :func:`compact_collate`), the means of the
      losses and the accuracy are computed on the GPU (:func:`make_losses_async`), and they are
      fetched when they are logged (:class:`DeferredRuntimeInfoHook`).
    - ``compile=True``, or a dict of arguments, compiles backbone, neck and heads with
      ``torch.compile``; MMEngine would compile whole training steps.

    Validation and test are in float32, as with ``Runner``. Checkpoints are compatible: each runner
    resumes the other's (:class:`PortableOptimizerHook`).
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'FastRunner':
        """Build the runner from a copy of the config with faster settings.

        Raises:
            RuntimeError: If the config sets ``compile`` and this PyTorch cannot compile here.
        """
        if cfg.get('compile'):
            check_compile()
        return super().from_cfg(faster(cfg))

    def setup_env(self, env_cfg: dict) -> None:
        """Set up the environment and the reuse of memory."""
        super().setup_env(env_cfg)
        if get_device() == 'cpu':
            keep_freed_memory()

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model in channels-last, with losses that do not wait for the device."""
        if get_device() not in DEVICES:
            return super().build_model(model)
        if _has_plain_preprocessor(model):
            kind = dict(type='mmseg.AsyncSegDataPreProcessor')
            model = dict(model, data_preprocessor=dict(model['data_preprocessor'], **kind))
        model = super().build_model(model)
        model.to(memory_format=torch.channels_last)
        make_losses_async(model)
        return model

    def _init_model_weights(self) -> None:
        """Initialize the weights in contiguous format, so that they equal those of ``Runner``."""
        if get_device() not in DEVICES:
            super()._init_model_weights()
            return
        self.model.to(memory_format=torch.contiguous_format)
        super()._init_model_weights()
        self.model.to(memory_format=torch.channels_last)

    def _maybe_compile(self, target: str) -> None:
        options = self.cfg.get('compile')
        if not options:
            return
        options = {} if options is True else options
        model = self.model.module if is_model_wrapper(self.model) else self.model
        for name in PARTS:
            part = getattr(model, name, None)
            for module in part if isinstance(part, nn.ModuleList) else [part]:
                for method in METHODS:
                    if hasattr(module, method):
                        compiled = torch.compile(getattr(module, method), **options)
                        setattr(module, method, compiled)


def faster(cfg: Config) -> Config:
    """Return a copy of a config with the settings that make a training step faster."""
    cfg, device = copy.deepcopy(cfg), get_device()
    wrapper = cfg.get('optim_wrapper') or {}
    if device == 'cpu' and wrapper.get('type') == 'AmpOptimWrapper':  # --amp
        for key in ('loss_scale', 'dtype'):
            wrapper.pop(key, None)
        wrapper.type = 'OptimWrapper'
    kind = type_name(wrapper) or 'OptimWrapper'
    if wrapper and device in DEVICES and kind == 'OptimWrapper':
        wrapper.type = 'mmseg.BF16OptimWrapper'
    optimizer = wrapper.get('optimizer') or {}
    decided = {'fused', 'foreach', 'capturable', 'differentiable'} & set(optimizer)
    if not decided and has_fused(type_name(optimizer), device):
        optimizer.fused = True
    hooks, portable = cfg.get('custom_hooks') or [], dict(type='mmseg.PortableOptimizerHook')
    cfg.custom_hooks = hooks if portable in hooks else [*hooks, portable]
    if device == 'cuda':
        hook = dict(runtime_info=dict(type='mmseg.DeferredRuntimeInfoHook'))
        cfg.default_hooks = hook | (cfg.get('default_hooks') or {})
        for name in ('train_dataloader', 'val_dataloader'):
            if cfg.get(name):
                cfg[name].setdefault('pin_memory', True)
        if cfg.get('train_dataloader') and _has_plain_preprocessor(cfg.get('model')):
            cfg.train_dataloader.setdefault('collate_fn', dict(type='compact_collate'))
    return cfg


def has_fused(optimizer: str, device: str) -> bool:
    """Tell whether the installed PyTorch has a fused version of an optimizer.

    Args:
        optimizer: Its name.
        device: Type of the device.
    """
    since = FUSED.get(optimizer, {}).get(device)
    return since is not None and digit_version(torch.__version__) >= digit_version(since)


def check_compile() -> None:
    """Check that ``torch.compile`` works with this Python and system.

    Raises:
        RuntimeError: If it does not.
    """
    try:
        torch.compile(nn.Identity())
    except RuntimeError as error:
        reason = (str(error).splitlines() or [''])[0]
        raise RuntimeError(
            f'compile is set, but PyTorch {torch.__version__} cannot compile here ({reason}): '
            'set compile=False, or install a newer PyTorch'
        ) from None


def _has_plain_preprocessor(model: Any) -> bool:
    """Tell whether a model's config has MMSegmentation's preprocessor, not a subclass."""
    preprocessor = model.get('data_preprocessor') if isinstance(model, dict) else None
    kind = preprocessor.get('type') if isinstance(preprocessor, dict) else None
    return (MODELS.get(kind) if isinstance(kind, str) else kind) is SegDataPreProcessor
