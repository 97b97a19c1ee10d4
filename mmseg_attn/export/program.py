"""A segmentor as one graph: from a normalised image of any size to its logits."""

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..datasets.conversion import ConversionError

SMALLEST = 64  # pixels of a side: the coarsest map of the deepest model then has two
SAMPLE = (2, 107, 93)  # batch, height, width: three numbers that nothing in a model divides


class Logits(nn.Module):
    """Takes normalised images ``(N, C, H, W)`` and returns logits ``(N, classes, H, W)``.

    An image is seen as a whole: sliding windows are left to who calls the model.

    Args:
        model: the segmentor.
    """

    def __init__(self, model: EncoderDecoder):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        logits = self.model.decode_head(self.model.extract_feat(image))
        size = image.shape[2:]
        if _surely_equal(logits.shape[2:], size):
            return logits
        return F.interpolate(
            logits, size=size, mode='bilinear', align_corners=self.model.align_corners
        )


def _surely_equal(size: torch.Size, other: torch.Size) -> bool:
    """Compare sizes that may be variables, of which nothing is assumed."""
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    return all(statically_known_true(a == b) for a, b in zip(size, other, strict=True))


def export_program(model: EncoderDecoder, *, in_channels: int) -> torch.export.ExportedProgram:
    """Export a segmentor with ``torch.export``, for any batch and any size.

    Args:
        model: the segmentor, on the CPU.
        in_channels: channels of its images.

    Raises:
        ConversionError: if PyTorch cannot export the model, or is too old.
    """
    if not hasattr(torch.compiler, 'is_exporting'):
        raise ConversionError(
            f'PyTorch {torch.__version__} cannot export models of any size: install 2.7 or newer'
        )
    batch, height, width = SAMPLE
    dims = {
        0: torch.export.Dim('batch'),
        2: torch.export.Dim('height', min=SMALLEST),
        3: torch.export.Dim('width', min=SMALLEST),
    }
    try:
        with torch.no_grad():
            return torch.export.export(
                Logits(model).eval(),
                (torch.zeros(batch, in_channels, height, width),),
                dynamic_shapes=dict(image=dims),
                strict=False,
                # What the sample shows to be true and cannot be proven is checked at run time.
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    except Exception as error:  # PyTorch has no common type for what it cannot export
        raise ConversionError(f'torch.export refuses the model: {first_line(error)}') from error


def first_line(error: Exception) -> str:
    """Shorten an exporter's message, which may go over pages."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
