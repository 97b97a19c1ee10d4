"""Run a model once and record inputs and outputs of its attention layers.

Every attention layer has some of these methods. They have the arguments of its ``forward`` and
return tensors that can be multiplied by its maps:

- ``attention_map(..., point=(row, column))``: attention weights of a position, ``(N, 1, H, W)``,
  which sum to one;
- ``spatial_weights(...)``: weight of each position, ``(N, 1, H, W)``, between zero and one;
- ``channel_weights(...)``: weight of each channel, ``(N, C, 1, 1)``, between zero and one.
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
    """Hold the inputs and the output ``(N, C, H, W)`` of an attention layer."""

    name: str
    layer: Any  # a module with one of METHODS
    inputs: tuple
    output: Tensor

    def has(self, method: str) -> bool:
        """Tell whether the layer has one of the methods."""
        return hasattr(self.layer, method)


@dataclass
class Recording:
    """Hold an image, its prediction and the calls of the attention layers.

    Attributes:
        image: The image, ``(H, W)`` or ``(H, W, 3)`` in RGB.
        resized: Height and width after the pipeline has resized the image.
        fed: Height and width of the model's input, which is padded at the bottom and right.
        calls: The calls of the attention layers, in order.
        labels: The predicted classes, of the size ``resized``.
    """

    image: np.ndarray
    resized: tuple[int, int]
    fed: tuple[int, int]
    calls: list[LayerCall]
    labels: np.ndarray

    def label(self, x: float, y: float) -> int:
        """Return the class predicted at a pixel of the image."""
        height, width = self.image.shape[:2]
        row, column = int(y * self.resized[0] / height), int(x * self.resized[1] / width)
        return int(self.labels[row, column])

    def grid(self, call: LayerCall) -> 'Grid':
        """Return the grid of a layer's positions on the image."""
        rows, columns = call.output.shape[2:]
        strides = stride(self.fed[0], rows), stride(self.fed[1], columns)
        sides = zip(strides, self.image.shape[:2], self.resized, strict=True)
        return Grid(rows, columns, strides[0], *(s * side / new for s, side, new in sides))


class Grid(NamedTuple):
    """Map the positions of a layer to the image, from the top left corner.

    Attributes:
        rows: Number of rows.
        columns: Number of columns.
        stride: Distance of two rows in pixels of the model's input.
        height: Distance of two rows in pixels of the image.
        width: Distance of two columns in pixels of the image.
    """

    rows: int
    columns: int
    stride: float
    height: float
    width: float

    def position(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and the column of the position that covers a pixel of the image."""
        row, column = int(y / self.height), int(x / self.width)
        return min(row, self.rows - 1), min(column, self.columns - 1)

    def box(self, rows: slice, columns: slice) -> tuple[float, float, float, float]:
        """Return left, right, top and bottom of some positions, in pixels of the image."""
        top, bottom, _ = rows.indices(self.rows)
        left, right, _ = columns.indices(self.columns)
        return left * self.width, right * self.width, top * self.height, bottom * self.height


def stride(side: int, positions: int) -> float:
    """Return the stride of a feature map in pixels, a power of two if possible.

    Args:
        side: Height or width of the input in pixels.
        positions: Height or width of the map, rounded up or down at every halving.
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
    """Run a model on a whole image, without a sliding window, and record its attention layers.

    Args:
        model: The segmentor.
        inputs: Its input, ``(1, C, H, W)``, normalized and padded.
        image: The original image.
        resized: Height and width of the input before padding.

    Returns:
        The recording.
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
    shapes = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), inputs.shape[2:])
    try:
        logits = model.eval().encode_decode(inputs, [shapes])
    finally:
        for handle in handles:
            handle.remove()
    labels = LabelRule.of(model).labels(logits)[0, 0, : resized[0], : resized[1]].cpu().numpy()
    height, width = inputs.shape[2:]
    return Recording(image, resized, (height, width), list(calls.values()), labels)
