"""Convolution, normalization and activation with PyTorch's initialization.

mmcv's ``ConvModule`` initializes with larger weights (He's, by the number of outputs). Before batch
normalization their scale does not change the output, but Adam's steps have a fixed size and change
larger weights less: small classes are then learned hundreds of iterations later.
"""

import warnings
from typing import Any

from mmcv.cnn import ConvModule


class ConvLayer(ConvModule):
    """Apply a ``ConvModule`` with PyTorch's initialization; ``init_cfg`` can change it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():  # the bias is intended where a paper counts it
            warnings.filterwarnings('ignore', 'Unnecessary conv bias')
            super().__init__(*args, **kwargs)

    def init_weights(self) -> None:
        """Keep PyTorch's initialization."""
