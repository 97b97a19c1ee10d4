"""Run a model once and keep what its attention layers saw, with the place of each in the picture.

Every attention layer has some of these methods. They take what its ``forward`` takes and return
tensors that multiply with its maps:

- ``attention_map(..., point=(row, column))``: where a position looks, ``(N, 1, H, W)``, sum one;
- ``spatial_weights(...)``: how much each position counts, ``(N, 1, H, W)``, between zero and one;
- ``channel_weights(...)``: how much each channel counts, ``(N, C, 1, 1)``, between zero and one.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..models.label_rule import LabelRule

METHODS = ('attention_map', 'spatial_weights', 'channel_weights')


class LayerCall(NamedTuple):
    """What an attention layer was given, and what it returned, ``(N, C, H, W)``."""

    name: str
    layer: Any  # a module with one of METHODS
    inputs: tuple
    output: Tensor

    def has(self, method: str) -> bool:
        """Tell whether the layer has one of the methods."""
        return hasattr(self.layer, method)


@dataclass
class Recording:
    """One picture on its way through a model.

    Attributes:
        image: The picture, ``(H, W)`` or ``(H, W, 3)`` in RGB.
        resized: Rows and columns that the pipeline made of it.
        fed: Rows and columns of the model's input: these, and what was padded at the end.
        calls: The attention layers, in the order of their calls.
        labels: The predicted classes, of the size ``resized``.
    """

    image: np.ndarray
    resized: tuple[int, int]
    fed: tuple[int, int]
    calls: list[LayerCall]
    labels: np.ndarray

    def label(self, x: float, y: float) -> int:
        """Return the class predicted at a pixel of the picture."""
        height, width = self.image.shape[:2]
        row, column = int(y * self.resized[0] / height), int(x * self.resized[1] / width)
        return int(self.labels[row, column])

    def grid(self, call: LayerCall) -> 'Grid':
        """Return where the positions of a layer lie in the picture."""
        rows, columns = call.output.shape[2:]
        strides = stride(self.fed[0], rows), stride(self.fed[1], columns)
        sides = zip(strides, self.image.shape[:2], self.resized, strict=True)
        return Grid(rows, columns, strides[0], *(s * side / new for s, side, new in sides))


class Grid(NamedTuple):
    """The positions of a layer on the picture: the first one begins at the top left corner.

    Attributes:
        rows: Number of rows.
        columns: Number of columns.
        stride: Pixels of the model's input between two rows.
        height: Pixels of the picture between two rows.
        width: Pixels of the picture between two columns.
    """

    rows: int
    columns: int
    stride: float
    height: float
    width: float

    def position(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and the column that a pixel of the picture falls into."""
        row, column = int(y / self.height), int(x / self.width)
        return min(row, self.rows - 1), min(column, self.columns - 1)

    def box(self, rows: slice, columns: slice) -> tuple[float, float, float, float]:
        """Return left, right, top and bottom of some positions, in pixels of the picture."""
        top, bottom, _ = rows.indices(self.rows)
        left, right, _ = columns.indices(self.columns)
        return left * self.width, right * self.width, top * self.height, bottom * self.height


def stride(side: int, positions: int) -> float:
    """Return how many pixels lie between two positions of a map, a power of two if it can be.

    Args:
        side: Pixels of the input.
        positions: Positions of the map on that side, rounded up or down at every halving.
    """
    powers = [2**steps for steps in range(side.bit_length() + 1)]
    for rounded in (lambda s: math.ceil(side / s), lambda s: side // s):
        for power in powers:
            if rounded(power) == positions:
                return power
    return side / positions


@torch.no_grad()
def record(
    model: EncoderDecoder, inputs: Tensor, *, image: np.ndarray, resized: tuple[int, int]
) -> Recording:
    """Run the whole picture through a model; sliding windows are not used.

    Args:
        model: The segmentor.
        inputs: Its input, ``(1, C, H, W)``, normalized and padded.
        image: The picture that the input was made of.
        resized: Rows and columns before padding.
    """
    calls: dict[str, LayerCall] = {}

    def keep(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, args: tuple, output: Tensor) -> None:
            calls[name] = LayerCall(name, layer, args, output)

        return layer.register_forward_hook(hook)

    handles = [
        keep(name, layer)
        for name, layer in model.named_modules()
        if any(hasattr(layer, method) for method in METHODS)
    ]
    try:
        logits = model.eval().decode_head(model.extract_feat(inputs))
    finally:
        for handle in handles:
            handle.remove()
    logits = nn.functional.interpolate(
        logits, size=inputs.shape[2:], mode='bilinear', align_corners=model.align_corners
    )
    labels = LabelRule.of(model).labels(logits)[0, 0, : resized[0], : resized[1]].cpu().numpy()
    height, width = inputs.shape[2:]
    return Recording(image, resized, (height, width), list(calls.values()), labels)
