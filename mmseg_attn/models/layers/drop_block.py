"""DropBlock: dropout of contiguous blocks.

Paper: Ghiasi, Lin and Le, "DropBlock: A regularization method for convolutional networks", NeurIPS
2018. Seeds are drawn where a whole block fits into the map, each with probability (eq. 1)

    gamma = rate / block_size^2 * (H W) / ((H - block_size + 1) (W - block_size + 1)),

every seed drops its block, and the other values are multiplied by the number of all values over the
number of kept ones (algorithm 1). Blocks may overlap, which gamma neglects: slightly less than
``rate`` is dropped.

As in SA-UNet's implementation, every sample and every channel has its own mask, and the factor
counts all values of the batch. Decision: if a side is shorter than the block, the block is as long
as the side, so that on the smallest maps whole channels are dropped with probability ``rate``.
"""

import torch
from torch import Tensor, nn


class DropBlock(nn.Module):
    """Set square blocks to zero in training; in evaluation do nothing.

    Args:
        rate: Fraction of the values to drop.
        block_size: Side of the blocks in pixels.

    Raises:
        ValueError: If ``rate`` is not a probability or ``block_size`` is not positive.
    """

    def __init__(self, rate: float, *, block_size: int):
        super().__init__()
        if not 0 <= rate <= 1:
            raise ValueError(f'rate must lie between 0 and 1, got {rate}')
        if block_size < 1:
            raise ValueError(f'block_size must be at least 1, got {block_size}')
        self.rate = rate
        self.block_size = block_size

    def forward(self, x: Tensor) -> Tensor:
        """Drop blocks of ``x``, ``(N, C, H, W)``; keep the shape."""
        if not self.training or self.rate == 0:
            return x
        size = x.shape[2:]
        block = [min(self.block_size, side) for side in size]
        rows, columns = (side - b + 1 for side, b in zip(size, block, strict=True))
        gamma = self.rate * size[0] * size[1] / (block[0] * block[1] * rows * columns)
        seeds = torch.rand(*x.shape[:2], rows, columns, device=x.device) < gamma
        kept = ~_spread(_spread(seeds, block[0], dim=2), block[1], dim=3)  # (N, C, H, W)
        factor = kept.numel() / kept.count_nonzero().clamp(min=1)
        return x * (kept * factor).to(x.dtype)


def _spread(seeds: Tensor, length: int, *, dim: int) -> Tensor:
    """Extend each seed to ``length`` values along ``dim``, which grows by ``length - 1``."""
    shape = list(seeds.shape)
    shape[dim] += length - 1
    out = seeds.new_zeros(shape)
    for start in range(length):
        out.narrow(dim, start, seeds.shape[dim]).logical_or_(seeds)
    return out
