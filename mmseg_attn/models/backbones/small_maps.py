"""What to do where an encoder's map becomes too small to be normalized in training."""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def explain_small_maps(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Add the remedy to PyTorch's error at one value per channel, a bottleneck of 1x1 pixels.

    Batch normalization would divide by a standard deviation of zero there; PyTorch refuses.
    """

    @functools.wraps(forward)
    def explained(self: nn.Module, x: Tensor) -> Any:
        try:
            return forward(self, x)
        except ValueError as error:
            if not str(error).startswith('Expected more than 1 '):
                raise
            raise ValueError(
                f'{error}: {x.shape[0]} image(s) of {x.shape[3]}x{x.shape[2]} pixels are too small '
                f'a batch for {type(self).__name__}, whose coarsest map cannot be normalized. Take '
                'larger crops or more images per batch (drop_last=True where only the last batch '
                'of an epoch is that small), or norm_cfg=None'
            ) from error

    return explained
