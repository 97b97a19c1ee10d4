"""Run MSAM at 112x112 positions and 128 channels, and print by how many MiB memory grew.

python msam_memory.py BACKEND FILE    result and gradients go to FILE
"""

import functools
import resource
import sys

import torch

import mmseg_attn  # noqa: F401  prepares the stack
from mmseg_attn.models.layers import MSAM, msam


def run(layer: MSAM, size: int) -> list[torch.Tensor]:
    """The result at ``size`` x ``size`` positions, and the gradients of features and parameters."""
    torch.manual_seed(0)
    channels = layer.value.in_channels
    options = dict(dtype=layer.value.weight.dtype, requires_grad=True)
    fine = torch.randn(1, channels // 2, 2 * size, 2 * size, **options)
    coarse = torch.randn(1, channels, size, size, **options)
    out = layer([fine, coarse])
    weights = torch.arange(out.numel()).cos().view_as(out)
    wrt = [fine, coarse, *layer.parameters()]
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), wrt)]


def peak() -> int:
    """The most memory that this process has had, in MiB."""
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


if __name__ == '__main__':
    backend, file = sys.argv[1:]
    msam.global_attention = functools.partial(msam.global_attention, backend=backend)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = MSAM((64, 128))
    run(layer, 8)  # what is loaded once does not count
    before = peak()
    results = run(layer, 112)
    sys.stdout.write(f'{peak() - before}\n')
    torch.save(results, file)
