"""Whether the model is being traced, asked in a way that every supported PyTorch understands."""

import sys

import torch


def is_compiling() -> bool:
    """Tell whether ``torch.compile`` or ``torch.export`` traces the caller.

    ``torch.compiler.is_compiling`` came with PyTorch 2.3; before, the tracer itself answers, if
    anybody has imported it.
    """
    ask = getattr(getattr(torch, 'compiler', None), 'is_compiling', None)
    if ask is None:
        tracer = sys.modules.get('torch._dynamo')
        return tracer is not None and tracer.is_compiling()
    return ask()


def is_exporting() -> bool:
    """Tell whether ``torch.export`` traces the caller; false before PyTorch 2.7, which cannot."""
    ask = getattr(getattr(torch, 'compiler', None), 'is_exporting', None)
    return ask is not None and ask()
