"""A segmentor as one graph: from the pixels of an image of any size to its logits."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from mmseg.models import SegDataPreProcessor
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ...errors import ExportError
from ...ops import crop
from .replacements import with_exportable_layers
from .sizes import sample, smallest_side
from .stall import Stalled, stopped_if_stalled

if TYPE_CHECKING:
    from torch.export import ExportedProgram  # PyTorch 2.0 has none


class PixelsToLogits(nn.Module):
    """A segmentor together with what its data preprocessor does to an image before a test.

    Colors come as RGB whatever order the network wants. Values are normalized, the image is padded
    as in a test, the logits are resized to it as in MMSegmentation's whole mode, and the padding is
    cut off. Sliding windows are left to who calls the model.

    Args:
        model: the segmentor.
        in_channels: channels of its images.
        color_type: how its config loads images: ``grayscale``, ``color`` or ``unchanged``.
        bgr: whether the loader gives colors as BGR; ``None``: if ``color_type`` is ``color``.

    Attributes:
        bgr: whether the loader gives colors as BGR.
        order: the order in which the network wants the channels of the image.
        normalized: whether there are ``mean`` and ``std`` in the data preprocessor.
        padding: ``size`` or ``size_divisor`` of the padded image, or nothing.

    Raises:
        ExportError: if the segmentor or its data preprocessor is of another kind.
    """

    def __init__(
        self, model: EncoderDecoder, *, in_channels: int, color_type: str, bgr: bool | None = None
    ):
        super().__init__()
        preprocessor = model.data_preprocessor
        for part, kind in ((model, EncoderDecoder), (preprocessor, SegDataPreProcessor)):
            if not isinstance(part, kind):
                raise ExportError(
                    f'a {type(part).__name__} cannot be exported, as its steps are its own: use '
                    f'{kind.__name__} or a class made from it'
                )
        self.model = model
        self.in_channels = in_channels
        self.color_type = color_type
        self.bgr = color_type == 'color' if bgr is None else bgr
        # the loader turns the colors around, and the preprocessor an image of three channels
        self.order = list(range(in_channels))
        names = 'channel_conversion', '_channel_conversion'  # the second in the onedl fork
        conversion = in_channels == 3 and any(getattr(preprocessor, n, False) for n in names)
        if in_channels >= 3 and self.bgr != conversion:
            self.order[:3] = 2, 1, 0
        self.normalized = preprocessor._enable_normalize
        self.padding = preprocessor.test_cfg or {}
        self.eval()

    @functools.cached_property
    def smallest(self) -> int:
        """The shortest side, in pixels, of images that it is exported for."""
        return smallest_side(self, self.in_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Compute logits.

        Args:
            image: ``(N, C, H, W)``, values as they are stored.

        Returns:
            ``(N, out_channels, H, W)``.
        """
        preprocessor, size = self.model.data_preprocessor, image.shape[2:]
        turned = self.order != sorted(self.order)
        x = image[:, self.order] if turned else image
        if self.normalized:
            x = (x - preprocessor.mean) / preprocessor.std
        if not self.padding:
            return self._logits(x)
        bottom, right = (self._missing(side, axis) for axis, side in enumerate(size))
        x = F.pad(x, (0, right, 0, bottom), value=float(preprocessor.pad_val))
        return crop(self._logits(x), size)

    def _logits(self, x: Tensor) -> Tensor:
        return self.model.encode_decode(x, [dict(img_shape=x.shape[2:])])

    def _missing(self, side: int, axis: int) -> int:
        """Return by how much the data preprocessor pads a side."""
        if 'size' in self.padding:
            return torch.sym_max(self.padding['size'][axis] - side, 0)
        divisor = self.padding['size_divisor']
        return (side + divisor - 1) // divisor * divisor - side


def check_version() -> None:
    """Check that the installed PyTorch can export models.

    Raises:
        ExportError: If it is too old.
    """
    if not hasattr(getattr(torch, 'compiler', None), 'is_exporting'):
        raise ExportError(
            f'PyTorch {torch.__version__} cannot export models of any size: install 2.7 or newer'
        )


def export_program(module: PixelsToLogits) -> ExportedProgram:
    """Export with ``torch.export``, for any batch and any size from ``module.smallest`` on.

    Args:
        module: the segmentor, on the CPU.

    Raises:
        ExportError: if PyTorch cannot export the model, or is too old.
    """
    check_version()
    from torch.export import Dim

    batch, height, width = sample(module.smallest)
    dims = {
        0: Dim('batch'),
        2: Dim('height', min=module.smallest),
        3: Dim('width', min=module.smallest),
    }
    exportable = with_exportable_layers(module)
    try:
        with torch.no_grad(), _sides_of_one_are_nothing_special(), stopped_if_stalled(exportable):
            program = torch.export.export(
                exportable,
                (torch.zeros(batch, module.in_channels, height, width),),
                dynamic_shapes=dict(image=dims),
                strict=False,
                # What the sample shows to be true and cannot be proven is checked at run time.
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    except Stalled as stalled:
        raise ExportError(
            f'torch.export does not get beyond the layer {stalled}, as it computes with the size '
            'of the image in a way that PyTorch cannot follow: use another backbone, neck or head'
        ) from None
    except Exception as error:  # PyTorch has no common type for what it cannot export
        raise ExportError(
            'torch.export refuses the model; a step of it is bound to one size or depends on the '
            f'values of the image: {first_line(error)}'
        ) from error
    for node in program.graph.nodes:
        node.meta.pop('stack_trace', None)  # names files of this machine
    return program


def _sides_of_one_are_nothing_special() -> contextlib.AbstractContextManager:
    """Let PyTorch not bind a program to a sample whose batch or sides are not one."""
    from torch.fx.experimental import _config

    if not hasattr(_config, 'backed_size_oblivious'):
        return contextlib.nullcontext()
    return _config.patch(backed_size_oblivious=True)


def first_line(error: BaseException) -> str:
    """Shorten an exporter's message, which may go over pages."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].partition(' For more information')[0][:300]
