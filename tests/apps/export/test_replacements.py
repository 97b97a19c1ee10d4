from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils.embed import AdaptivePadding
from torch import nn

from mmseg_attn.apps.export.pooling import PartAverages
from mmseg_attn.apps.export.replacements import with_exportable_layers
from mmseg_attn.apps.export.swin import IntegerPadding, ShiftedWindows
from mmseg_attn.apps.export.unfolding import ConvPatches


class OtherWindows(ShiftWindowMSA):
    """Computes something else, for all that is known."""


def test_layers_are_exchanged_in_a_copy():
    model = nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Unfold(2)),
        AdaptivePadding(),
        ShiftWindowMSA(4, 2, 3),
        OtherWindows(4, 2, 3),
    )
    kinds = [type(layer) for layer in model]
    copy = with_exportable_layers(model)
    assert [type(layer) for layer in copy[1]] == [PartAverages, ConvPatches]
    assert copy[1][0].parts == (3, 3)
    assert [type(copy[i]) for i in (0, 2, 3, 4)] == [
        nn.AdaptiveAvgPool2d, IntegerPadding, ShiftedWindows, OtherWindows
    ]  # fmt: skip
    assert [type(layer) for layer in model] == kinds


def test_a_model_without_them_is_left_alone():
    model = nn.Sequential(nn.AdaptiveAvgPool2d((None, 3)), nn.Conv2d(2, 2, 1))
    assert with_exportable_layers(model) is model
