"""Compute sigmoid weights for the channels and the positions of a map.

The modules return only the weights, so that they can be visualized; the attention layers multiply.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_POOLS: dict[str, Callable[..., Tensor]] = {'mean': torch.mean, 'max': torch.amax}


class ChannelWeights(nn.Module):
    """Compute ``sigmoid(sum_pool W2 ReLU(W1 pool(x)))``; the pools share one MLP without bias.

    Args:
        channels: Channels of the map.
        reduction: The hidden layer has ``channels // reduction`` units, at least one.
        pools: Poolings over the positions, of ``mean`` and ``max``.
    """

    def __init__(self, channels: int, *, reduction: int, pools: Sequence[str]):
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.pools = tuple(pools)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights ``(N, C, 1, 1)`` of the channels of ``x``, ``(N, C, H, W)``."""
        pooled = torch.stack([_POOLS[pool](x, dim=(2, 3)) for pool in self.pools])  # (pools, N, C)
        return self.mlp(pooled).sum(dim=0).sigmoid()[..., None, None]


class SpatialWeights(nn.Module):
    """Compute ``sigmoid(Conv([pool(x) for each pool]))`` with pooling over the channels.

    Args:
        kernel_size: Side of the kernel in pixels, odd.
        pools: Poolings over the channels, of ``mean`` and ``max``, in the order of the
            convolution's input channels.
        bias: Whether the convolution has a bias.

    Raises:
        ValueError: If ``kernel_size`` is even, which would change the size of the map.
    """

    def __init__(self, *, kernel_size: int, pools: Sequence[str], bias: bool = True):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(
                f'kernel_size must be odd to keep the size of the map, got {kernel_size}'
            )
        self.pools = tuple(pools)
        self.conv = nn.Conv2d(len(self.pools), 1, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights ``(N, 1, H, W)`` of the positions of ``x``, ``(N, C, H, W)``."""
        pooled = [_POOLS[pool](x, dim=1, keepdim=True) for pool in self.pools]
        return self.conv(torch.cat(pooled, dim=1)).sigmoid()
