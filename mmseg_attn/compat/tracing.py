"""Tell whether the model is being traced, on every supported PyTorch."""

import torch

_compiler = getattr(torch, 'compiler', None)  # PyTorch 2.1
# The tracer recognizes these functions themselves; it would not recognize a wrapper around them.
if hasattr(_compiler, 'is_compiling'):  # PyTorch 2.3
    is_compiling = _compiler.is_compiling
else:
    from torch._utils import is_compiling


def is_exporting() -> bool:
    """Tell whether ``torch.export`` traces the caller; false before PyTorch 2.7, which cannot."""
    query = getattr(_compiler, 'is_exporting', None)
    return query is not None and query()


__all__ = ['is_compiling', 'is_exporting']
