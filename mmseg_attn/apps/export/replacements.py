"""Replace layers that depend on one size or cannot be traced by equivalent layers."""

import copy
from collections.abc import Callable

from mmseg.models.backbones.swin import ShiftWindowMSA, WindowMSA
from mmseg.models.utils.embed import AdaptivePadding
from torch import nn

from .pooling import PartAverages, averages_parts
from .swin import IntegerPadding, ShiftedWindows
from .unfolding import ConvPatches


def with_exportable_layers(model: nn.Module) -> nn.Module:
    """Return the model, or a copy of it with equivalent layers that can be exported."""
    names = [name for name, layer in model.named_modules() if _replacement(layer)]
    if names:
        model = copy.deepcopy(model)
        for name in names:
            layer = model.get_submodule(name)
            parent, _, child = name.rpartition('.')
            setattr(model.get_submodule(parent), child, _replacement(layer)(layer))
    return model


def _replacement(layer: nn.Module) -> Callable[[nn.Module], nn.Module] | None:
    """Return the function that replaces a layer; subclasses are not replaced."""
    if averages_parts(layer):
        return PartAverages.of
    if type(layer) is ShiftWindowMSA and type(layer.w_msa) is not WindowMSA:
        return None
    kinds = {
        ShiftWindowMSA: ShiftedWindows,
        AdaptivePadding: IntegerPadding,
        nn.Unfold: ConvPatches.of,
    }
    return kinds.get(type(layer))
