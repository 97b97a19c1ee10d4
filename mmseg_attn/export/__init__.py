"""Take a trained model elsewhere, as a ``torch.export`` program or as an ONNX file."""

from .description import describe
from .files import write
from .program import export_program

__all__ = ['describe', 'export_program', 'write']
