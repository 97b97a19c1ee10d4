"""Operations for exported models, where sizes are variables and no branch may depend on them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..compat.tracing import is_exporting


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """Crop rows at the bottom and columns at the right: ``(N, C, H, W)`` to ``(N, C, *size)``.

    An exported model crops by indices: the result then has the symbolic size ``size``, so that the
    exporter need not prove that it equals the size of other maps.
    """
    if is_exporting():
        for dim, side in zip((2, 3), size, strict=True):
            x = x.index_select(dim, torch.arange(side, device=x.device))
        return x
    for dim, side in zip((2, 3), size, strict=True):
        if (
            x.shape[dim] != side
        ):  # before PyTorch 2.2, the backward pass of a full slice copies the map
            x = x.narrow(dim, 0, side)
    return x
