"""Convolution, normalization, activation, with PyTorch's initialization.

mmcv's ``ConvModule`` draws larger weights (He's, by the number of outputs). Before batch
normalization their scale does not change the output, but it makes Adam's steps, which have a fixed
size, count less: small classes are then learned hundreds of iterations later.
"""

import warnings
from typing import Any

from mmcv.cnn import ConvModule


class ConvLayer(ConvModule):
    """``ConvModule`` that leaves PyTorch's initialization as it is; ``init_cfg`` can change it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():  # that of papers which count the biases is meant
            warnings.filterwarnings('ignore', 'Unnecessary conv bias')
            super().__init__(*args, **kwargs)

    def init_weights(self) -> None:
        """Do nothing."""
