"""What several tests compare or watch."""

import warnings
from collections import Counter
from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


def value_and_gradients(out: Tensor, wrt: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """A tensor, and the gradients of its sum by fixed uneven weights."""
    weights = torch.arange(out.numel(), dtype=out.dtype).cos().view_as(out)
    return out, *torch.autograd.grad((out * weights).sum(), wrt)


def count_parameters(model: dict) -> int:
    """Count a model's parameters without making them."""
    with torch.device('meta'):
        return sum(p.numel() for p in MODELS.build(model).parameters())


def autocasts(device: str, dtype: torch.dtype) -> bool:
    """Whether there is autocast to a type: on the CPU once only to bfloat16."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            with torch.autocast(device, dtype):
                return True
        except RuntimeError:
            return False


def sums_in_float32(dtype: torch.dtype) -> bool:
    """Whether convolution on the CPU sums in float32: PyTorch 2.0 without AVX-512 sums in bfloat16.

    Rounded to bfloat16, 256 + 1 is 256, so a sum of ones stays there.
    """
    image = torch.ones(1, 512, 3, 3, dtype=dtype)
    return conv2d(image, image).item() == image.numel()


def tensors(*trees) -> list[Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    return [leaf for leaf in tree_flatten(trees)[0] if isinstance(leaf, Tensor)]


class Operators(TorchDispatchMode):
    """Counts by name the operators that make tensors, and the elements of these.

    Views are not made: before PyTorch 2.2 even ``x[:]`` is one.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.made = Counter(), Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        there = {x.untyped_storage()._cdata for x in tensors(args, kwargs)}
        sizes = [x.numel() for x in tensors(out) if x.untyped_storage()._cdata not in there]
        if sizes:
            self.record(func._schema.name.partition('::')[2], sizes)
        return out

    def record(self, name: str, sizes: list[int]) -> None:
        self.calls[name] += 1
        self.made[name] += sum(sizes)


class LargestTensor(Operators):
    """Remembers how many elements the largest tensor has that any operation makes."""

    elements = 0

    def record(self, name: str, sizes: list[int]) -> None:
        self.elements = max(self.elements, *sizes)
