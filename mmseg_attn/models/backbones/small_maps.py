"""Explain the error for feature maps that are too small for batch normalization."""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def explain_small_maps(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Add a remedy to PyTorch's error for one value per channel, for example a map of 1x1 pixels.

    Its standard deviation is zero, so that batch normalization is not possible in training.
    """

    @functools.wraps(forward)
    def explained(self: nn.Module, x: Tensor) -> Any:
        try:
            return forward(self, x)
        except ValueError as error:
            if not str(error).startswith('Expected more than 1 '):
                raise
            raise ValueError(
                f'{error}: a batch of {x.shape[0]} image(s) of {x.shape[3]}x{x.shape[2]} pixels is '
                f'too small for the batch normalization of {type(self).__name__}. Use '
                'larger crops or more images per batch (drop_last=True where only the last batch '
                'of an epoch is that small), or norm_cfg=None'
            ) from error

    return explained
