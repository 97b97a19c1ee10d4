"""Checkpoint activations: keep only the inputs of the stages, and recompute the rest."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

from mmseg_attn.engine.fast_runner import PARTS


@HOOKS.register_module()
class ActivationCheckpointHook(Hook):
    """Checkpoint activations: train with the same gradients in less memory and more time.

    The forward pass keeps only the input of each stage; the backward pass recomputes the stage when
    it needs it. Losses, gradients, random numbers and the statistics of normalization
    layers are the same as without the hook, except for spectral normalization, whose gradients
    differ. Validation and test are not affected.

    MMEngine's ``activation_checkpointing``, which does not exist before MMEngine 0.9, updates the
    statistics twice, and gives the weights of the first stage no gradient.

    Args:
        modules: Names of the modules to checkpoint, for example ``('backbone.layer1',
            'decode_head.blocks.0')``; none may lie inside another. ``None`` means all stages of
            backbone, neck and heads: their direct children, and the entries of their module lists,
            that have two or more layers with weights.
    """

    def __init__(self, modules: Sequence[str] | None = None) -> None:
        self.modules = modules
        self._stages: list[nn.Module] = []

    def before_train(self, runner: Runner) -> None:
        """Wrap the stages.

        Raises:
            ValueError: If a name is not a module of the model, or if the model is compiled.
        """
        if runner.cfg.get('compile'):
            raise ValueError(
                'ActivationCheckpointHook does not work with compile: remove compile from the '
                'config, or the hook'
            )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._stages = find_stages(model, self.modules)
        checkpoint_stages(self._stages)

    def after_train(self, runner: Runner) -> None:
        """Remove the wrappers."""
        for stage in self._stages:
            del stage.forward
        self._stages = []


def find_stages(model: nn.Module, names: Sequence[str] | None = None) -> list[nn.Module]:
    """Find the modules to checkpoint.

    Args:
        model: A segmentor.
        names: Names of the modules; ``None`` means all stages.

    Raises:
        ValueError: If a name is not a module of the model.
    """
    if names is None:
        return list(_stages(model))
    known = dict(model.named_modules())
    for name in names:
        if name not in known:
            raise ValueError(
                f'ActivationCheckpointHook: the model has no module {name!r}; take names from '
                'model.named_modules()'
            )
    return [known[name] for name in names]


def checkpoint_stages(stages: Sequence[nn.Module]) -> None:
    """Let modules keep only their inputs from the forward pass in training.

    ``del stage.forward`` undoes it.
    """
    for stage in stages:
        stage.forward = functools.partial(_run, stage, stage.forward)


def _stages(model: nn.Module) -> Iterator[nn.Module]:
    for name in PARTS:
        part = getattr(model, name, None)
        for module in part if isinstance(part, nn.ModuleList) else [part]:  # several heads
            if module is not None:
                yield from _inside(module)


def _inside(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _inside(child)
        elif sum(bool(layer._parameters) for layer in child.modules()) > 1:
            yield child


def _run(stage: nn.Module, forward: Callable, *args: Any, **kwargs: Any) -> Any:
    if not (stage.training and torch.is_grad_enabled()):
        return forward(*args, **kwargs)
    again = False

    def run(_: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal again
        with _kept_buffers(stage) if again else contextlib.nullcontext():
            again = True
            args, kwargs = tree_map(lambda value: value, (args, kwargs))  # HRNet changes its list
            return forward(*args, **kwargs)

    # PyTorch keeps the random state of the devices of its arguments; before 2.4 it does not look
    # into lists. So a weight is passed, too.
    weight = next(stage.parameters(), None)
    return checkpoint(run, weight, *args, use_reentrant=False, **kwargs)


@contextlib.contextmanager
def _kept_buffers(module: nn.Module) -> Iterator[None]:
    """Run a module on copies of its buffers, so that its running statistics stay unchanged."""
    buffers = [
        (layer, name, buffer)
        for layer in module.modules()
        for name, buffer in layer.named_buffers(recurse=False)
    ]
    for layer, name, buffer in buffers:
        setattr(layer, name, buffer.clone())
    try:
        yield
    finally:
        for layer, name, buffer in buffers:
            setattr(layer, name, buffer)
