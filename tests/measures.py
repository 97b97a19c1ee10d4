"""What several tests compare or watch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def value_and_gradients(out: Tensor, wrt: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """A tensor, and the gradients of its sum by fixed uneven weights."""
    weights = torch.arange(out.numel(), dtype=out.dtype).cos().view_as(out)
    return out, *torch.autograd.grad((out * weights).sum(), wrt)


class LargestTensor(TorchDispatchMode):
    """Remembers how many elements the largest tensor has that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return out
