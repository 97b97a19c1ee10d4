"""Count the parameters and FLOPs of a model without computing anything."""

from typing import NamedTuple

import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import nn

from ..errors import UsageError


class Complexity(NamedTuple):
    """Hold the number of parameters and the FLOPs of one image (a multiply-add is two)."""

    parameters: int
    flops: int


def complexity(model: dict, shape: tuple[int, int, int]) -> Complexity:
    """Count a segmentor's parameters and the FLOPs of its forward pass.

    The model is built on the meta device, where tensors have shapes but no values. PyTorch counts
    convolutions and matrix products, including those of the attention.

    Args:
        model: Config of the segmentor.
        shape: Channels, height and width of the image.

    Raises:
        UsageError: If PyTorch cannot count FLOPs.
    """
    try:  # imported here, since it imports Triton if it is installed
        from torch.utils.flop_counter import FlopCounterMode
    except ModuleNotFoundError:
        raise UsageError(
            f'counting FLOPs needs PyTorch 2.1, but {torch.__version__} is installed: install 2.1 '
            'or newer'
        ) from None

    segmentor = on_meta(model)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        segmentor.eval()(torch.empty(1, *shape, device='meta'))
    parameters = sum(p.numel() for p in segmentor.parameters())
    return Complexity(parameters, counter.get_total_flops())


def on_meta(model: dict) -> nn.Module:
    """Build a segmentor on the meta device, where tensors have shapes but no values."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        try:
            with torch.device('meta'):
                return MODELS.build(model)
        except (NotImplementedError, RuntimeError):  # it needs values while it is built
            return MODELS.build(model).to('meta')
