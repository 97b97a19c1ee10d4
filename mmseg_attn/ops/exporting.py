"""Operations of exported models, where sizes are variables and no branch may depend on them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..compat.tracing import is_exporting


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """Drop rows at the bottom and columns at the right: ``(N, C, H, W)`` to ``(N, C, *size)``.

    In an exported model by indices: the size of the result is then ``size`` by its name, and what
    it meets next needs no proof that the two fit.
    """
    if is_exporting():
        for dim, side in zip((2, 3), size, strict=True):
            x = x.index_select(dim, torch.arange(side, device=x.device))
        return x
    for dim, side in zip((2, 3), size, strict=True):
        if x.shape[dim] != side:  # a slice of all costs the backward pass a map, before PyTorch 2.2
            x = x.narrow(dim, 0, side)
    return x
