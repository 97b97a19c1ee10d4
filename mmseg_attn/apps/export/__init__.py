"""Export a trained model to an ONNX file or a ``torch.export`` program."""

from .check import Check
from .description import describe
from .files import SUFFIXES, write
from .program import PixelsToLogits, export_program

__all__ = [
    'SUFFIXES',
    'Check',
    'PixelsToLogits',
    'describe',
    'export_program',
    'write',
]
