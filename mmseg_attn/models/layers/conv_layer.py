"""Convolution, normalisation, activation, with PyTorch's initialisation.

mmcv's ``ConvModule`` draws larger weights (He's, by the number of outputs). Before batch
normalisation their scale does not change the output, but it makes Adam's steps, which have a fixed
size, count less: small classes are then learned hundreds of iterations later.
"""

from mmcv.cnn import ConvModule


class ConvLayer(ConvModule):
    """``ConvModule`` that leaves PyTorch's initialisation as it is; ``init_cfg`` can change it."""

    def init_weights(self) -> None:
        """Do nothing."""
