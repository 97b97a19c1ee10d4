"""Export a segmentor as one graph, from the pixels of an image of any size to its logits."""

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
from ...models.segmentors import check_settings, swaps_colors
from ...ops import crop
from .replacements import with_exportable_layers
from .sizes import sample, smallest_side
from .stall import Stalled, stopped_if_stalled

if TYPE_CHECKING:
    from torch.export import ExportedProgram  # PyTorch 2.0 has none


class PixelsToLogits(nn.Module):
    """Combine a segmentor with the steps of its data preprocessor for tests.

    Color images are in RGB, in whatever order the network takes them. The model normalizes the
    values, pads the image as in a test, resizes the logits as in MMSegmentation's whole mode, and
    crops the padding. It has no sliding windows; the caller implements them.

    Args:
        model: The segmentor.
        in_channels: Number of channels of its images.
        color_type: The ``color_type`` of its loader: ``grayscale``, ``color`` or ``unchanged``.
        bgr: Whether the loader returns colors in BGR; with ``None``, it does if ``color_type`` is
            ``color``.

    Attributes:
        bgr: Whether the loader returns colors in BGR.
        order: Indices of the channels of the image in the order of the network.
        normalized: Whether the data preprocessor has ``mean`` and ``std``.
        padding: ``size`` or ``size_divisor`` of the padded image; empty without padding.

    Raises:
        ExportError: If the segmentor or its data preprocessor has another class.
        DataError: If its ``test_cfg`` is not valid.
    """

    def __init__(
        self, model: EncoderDecoder, *, in_channels: int, color_type: str, bgr: bool | None = None
    ):
        super().__init__()
        preprocessor = model.data_preprocessor
        for part, kind in ((model, EncoderDecoder), (preprocessor, SegDataPreProcessor)):
            if not isinstance(part, kind):
                raise ExportError(
                    f'{type(part).__name__} cannot be exported, as its steps are unknown: use '
                    f'{kind.__name__} or a subclass'
                )
        check_settings(model)
        self.model = model
        self.in_channels = in_channels
        self.color_type = color_type
        self.bgr = color_type == 'color' if bgr is None else bgr
        # the loader swaps the colors; the preprocessor does so for images of three channels
        self.order = list(range(in_channels))
        if in_channels >= 3 and self.bgr != (in_channels == 3 and swaps_colors(preprocessor)):
            self.order[:3] = 2, 1, 0
        self.normalized = preprocessor._enable_normalize
        self.padding = preprocessor.test_cfg or {}
        self.eval()

    @functools.cached_property
    def smallest(self) -> int:
        """The smallest side, in pixels, of the images that the export supports."""
        return smallest_side(self, self.in_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Compute logits.

        Args:
            image: ``(N, C, H, W)``, values as they are stored.

        Returns:
            ``(N, out_channels, H, W)``.
        """
        preprocessor, size = self.model.data_preprocessor, image.shape[2:]
        swapped = self.order != sorted(self.order)
        x = image[:, self.order] if swapped else image
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
        """Return the number of pixels that the data preprocessor adds to a side."""
        if 'size' in self.padding:
            return torch.sym_max(self.padding['size'][axis] - side, 0)
        divisor = self.padding['size_divisor']
        return (side + divisor - 1) // divisor * divisor - side


def check_version() -> None:
    """Check that the installed PyTorch can export models.

    Raises:
        ExportError: If PyTorch is too old.
    """
    if not hasattr(getattr(torch, 'compiler', None), 'is_exporting'):
        raise ExportError(
            f'PyTorch {torch.__version__} cannot export models of any size: install 2.7 or newer'
        )


def export_program(module: PixelsToLogits) -> ExportedProgram:
    """Export with ``torch.export``, for any batch size and sides of at least ``module.smallest``.

    Args:
        module: The segmentor, on the CPU.

    Raises:
        ExportError: If PyTorch cannot export the model, or is too old.
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
        with torch.no_grad(), _without_special_case_for_one(), stopped_if_stalled(exportable):
            program = torch.export.export(
                exportable,
                (torch.zeros(batch, module.in_channels, height, width),),
                dynamic_shapes=dict(image=dims),
                strict=False,
                # Conditions that hold for the sample and cannot be proven are checked at run time.
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    except Stalled as stalled:
        raise ExportError(
            f'torch.export stalls at the layer {stalled}, as PyTorch cannot simplify its '
            'computations with the size of the image: use another backbone, neck or head'
        ) from None
    except Exception as error:  # PyTorch has no common type of export errors
        raise ExportError(
            'torch.export rejects the model, as a step depends on one image size or on the values '
            f'of the image ({first_line(error)}): use another backbone, neck or head'
        ) from error
    for node in program.graph.nodes:
        node.meta.pop('stack_trace', None)  # contains paths of this machine
    return program


def _without_special_case_for_one() -> contextlib.AbstractContextManager:
    """Prevent PyTorch from treating a batch or side of 1 as a special case."""
    from torch.fx.experimental import _config

    if not hasattr(_config, 'backed_size_oblivious'):
        return contextlib.nullcontext()
    return _config.patch(backed_size_oblivious=True)


def first_line(error: BaseException) -> str:
    """Shorten the message of an exporter to its first line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].partition(' For more information')[0][:300]
