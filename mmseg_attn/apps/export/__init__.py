"""Export a trained model to an ONNX file or a ``torch.export`` program."""

from .check import Check
from .description import describe
from .files import SUFFIXES, write
from .loader import Loader, loader_of
from .program import PixelsToLogits, export_program

__all__ = [
    'SUFFIXES',
    'Check',
    'Loader',
    'PixelsToLogits',
    'describe',
    'export_program',
    'loader_of',
    'write',
]
