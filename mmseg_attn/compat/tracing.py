"""Whether the model is being traced, asked in a way that every supported PyTorch understands."""

import torch

_compiler = getattr(torch, 'compiler', None)  # PyTorch 2.1
# The tracer knows these very functions: one that calls them in turn would not be answered rightly.
if hasattr(_compiler, 'is_compiling'):  # PyTorch 2.3
    is_compiling = _compiler.is_compiling
else:
    from torch._utils import is_compiling


def is_exporting() -> bool:
    """Tell whether ``torch.export`` traces the caller; false before PyTorch 2.7, which cannot."""
    ask = getattr(_compiler, 'is_exporting', None)
    return ask is not None and ask()


__all__ = ['is_compiling', 'is_exporting']
