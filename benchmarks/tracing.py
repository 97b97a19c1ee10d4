"""Count the memory of a training step on a GPU without one, by a trace on the meta device.

Meta tensors have shapes and types but no values, so a step of any batch size takes a second and no
memory. The storage of every tensor counts once, from the operator that makes it until nothing
refers to it. Memory that only a GPU uses does not count: the CUDA context (about 0.5 GiB),
workspaces of cuDNN, and the reserve of the allocator.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

aten = torch.ops.aten


class LiveMemory(TorchDispatchMode):
    """Count the bytes of the tensors that are alive while operators run.

    Where an operator needs values, which meta tensors do not have, the worst case is assumed: a
    mask selects all elements. Scalars are 1.

    Attributes:
        peak: Peak memory in bytes since the start or the last ``reset``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._total = 0
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def watch(self, tensors: Any) -> None:
        """Add the tensors in a nested structure, for example those that exist before the trace."""
        for tensor in tree_flatten(tensors)[0]:
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)
                if reference.cdata not in self._storages:
                    self._storages[reference.cdata] = reference, storage.nbytes()
                    self._total += storage.nbytes()
        if self._total > self.peak:  # an upper bound until freed storages are removed
            self.peak = max(self.peak, self.now())

    def now(self) -> int:
        """Return the bytes that are alive."""
        dead = [key for key, (storage, _) in self._storages.items() if storage.expired()]
        for key in dead:
            self._total -= self._storages.pop(key)[1]
        return self._total

    def reset(self) -> None:
        """Reset the peak to the current memory."""
        self.peak = self.now()

    def __torch_dispatch__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is aten._local_scalar_dense.default and args[0].is_meta:
            return 1
        if func is aten.index.Tensor and args[0].is_meta:
            indices = [position for index in args[1] for position in _positions(index)]
            self.watch(indices)
            args = (args[0], indices)
        out = func(*args, **(kwargs or {}))
        self.watch(out)
        return out


def _positions(index: Tensor | None) -> list[Tensor | None]:
    """Return the positions that a mask of ones selects; other indices stay unchanged."""
    if index is None or index.dtype != torch.bool:
        return [index]
    shape = index.dim(), index.numel()
    return list(torch.empty(shape, dtype=torch.int64, device=index.device))


# From PyTorch 2.13's lists for CUDA; PyTorch 2.1 interpolates in the type of the input.
LOWER = frozenset(
    (
        *('conv1d', 'conv2d', 'conv3d'),
        *('conv_transpose1d', 'conv_transpose2d', 'conv_transpose3d'),
        *('linear', 'matmul', '__matmul__', '__rmatmul__', 'mm', 'mv', 'bmm', 'addmm', 'addmv'),
        *('addr', 'addbmm', 'baddbmm', 'einsum', 'prelu', 'scaled_dot_product_attention'),
    )
)
FLOAT32 = frozenset(
    (
        *('exp', 'expm1', 'log', 'log10', 'log2', 'log1p', 'logsumexp', 'reciprocal', 'rsqrt'),
        *('pow', '__pow__', 'softplus', 'softmax', 'log_softmax', 'cumsum', 'prod'),
        *('layer_norm', 'group_norm', 'interpolate', 'cosine_similarity', 'cross_entropy'),
        *('nll_loss', 'kl_div', 'l1_loss', 'smooth_l1_loss', 'mse_loss'),
        'binary_cross_entropy_with_logits',
    )
)


class AsOnGPU(TorchFunctionMode):
    """Run meta tensors like those of a GPU: with autocast, and attention in one kernel.

    Autocast is that of the CPU, ``torch.autocast('cpu', dtype)``, which does not change meta
    tensors. The mode is off in the backward pass; recomputed functions have to enter it again.
    """

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name, kwargs = getattr(func, '__name__', ''), kwargs or {}
        if name in LOWER | FLOAT32 and (dtype := autocast_dtype()):
            args, kwargs = _cast((args, kwargs), dtype if name in LOWER else torch.float32)
        if name == 'scaled_dot_product_attention':
            return FusedAttention.apply(*args[:3])
        if name == 'dropout':  # it saves a mask of bytes
            return dropout(*args, **kwargs)
        return func(*args, **kwargs)


def _cast(tree: Any, dtype: torch.dtype) -> Any:
    return tree_map(
        lambda x: x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x, tree
    )


def autocast_dtype() -> torch.dtype | None:
    """Return the type of the CPU's autocast; ``None`` if it is off."""
    try:
        return torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else None
    except TypeError:  # before PyTorch 2.4
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Drop values like on a GPU, where the mask needs a byte for each value."""
    return torch.native_dropout(x, p, True)[0] if training and p else x


class FusedAttention(torch.autograd.Function):
    """Allocate like PyTorch's fused attention: the output, and two numbers for each query."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = value.new_empty(*query.shape[:-1], value.shape[-1])
        logsumexp = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, logsumexp)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, ...]:
        *inputs, _, logsumexp = ctx.saved_tensors
        torch.empty_like(logsumexp)
        return tuple(map(torch.empty_like, inputs))
