"""Read the windows of a raster in place of slicing a tensor, so that it is never loaded whole."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from ...io.raster import Raster


class RasterInputs:
    """Stand for the preprocessed tensor ``(1, C, H, W)`` of a raster.

    ``inputs[:, :, rows, columns]`` reads a window and prepares it. It is ``None`` if no pixel of
    the window has data. Windows are read row by row.

    Args:
        raster: The raster.
        prepare: Converts an image ``(h, w, C)`` to a tensor ``(C, h, w)``.
        preprocessor: The data preprocessor of the model. Its padding for tests counts for the whole
            raster.
        device: The device of the model.
        watch: Called after every window.

    Attributes:
        shape: The shape of the whole tensor, with padding.
        valid: Which pixels of the current row of windows have data, ``(h, W)``.
    """

    dtype = torch.float32

    def __init__(
        self,
        raster: Raster,
        prepare: Callable[[np.ndarray], Tensor],
        preprocessor: nn.Module,
        device: torch.device,
        *,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        self.raster = raster
        self.prepare = prepare
        self.padding: Any = getattr(preprocessor, 'test_cfg', None) or {}
        self.fill = getattr(preprocessor, 'pad_val', 0)
        self.preprocessor = copy.copy(preprocessor)
        self.preprocessor.test_cfg = None  # which pads every window
        self.device = device
        self.watch = watch
        size = raster.grid.height, raster.grid.width
        self.shape = torch.Size((1, len(raster.numbers), *self._padded(size)))
        self.valid = np.zeros((0, raster.grid.width), dtype=bool)
        self._top = -1

    def __len__(self) -> int:
        return 1

    def new_zeros(self, *size: int) -> Tensor:
        """Return zeros on the device of the model."""
        return torch.zeros(*size, device=self.device)

    def new_ones(self, *size: int) -> Tensor:
        """Return ones on the device of the model."""
        return torch.ones(*size, device=self.device)

    def __getitem__(self, index: tuple[slice, slice, slice, slice]) -> Tensor | None:
        _, _, rows, columns = index
        grid = self.raster.grid
        if rows.start != self._top:
            self._top = rows.start
            height = min(rows.stop, grid.height) - rows.start
            self.valid = np.zeros((max(height, 0), grid.width), dtype=bool)
        bottom, right = min(rows.stop, grid.height), min(columns.stop, grid.width)
        self.watch()
        if rows.start >= bottom or columns.start >= right:  # padding alone
            return None
        image, valid = self.raster.read(slice(rows.start, bottom), slice(columns.start, right))
        self.valid[:, columns.start : right] = valid
        if not valid.any():
            return None
        data = dict(inputs=[self.prepare(image)], data_samples=[SegDataSample()])
        inputs = self.preprocessor(data, False)['inputs']
        below, beside = rows.stop - bottom, columns.stop - right
        return F.pad(inputs, (0, beside, 0, below), value=self.fill) if below + beside else inputs

    def _padded(self, size: tuple[int, int]) -> list[int]:
        """Return the size to which MMSegmentation pads an image in tests, right and below."""
        if least := self.padding.get('size'):
            return [max(side, limit) for side, limit in zip(size, least, strict=True)]
        divisor = self.padding.get('size_divisor') or 1
        return [-(-side // divisor) * divisor for side in size]
