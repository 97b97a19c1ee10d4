"""Import libraries that only some file formats need."""

import importlib
from types import ModuleType

import numpy as np

from ..errors import UnsupportedError


def library(name: str, kind: str) -> ModuleType:
    """Import a library of the extra ``medical``.

    Args:
        name: The library.
        kind: The format that needs it, for the message.

    Raises:
        UnsupportedError: If the library is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            f'reading {kind} files needs {name}: pip install {name}, or install mmseg_attn[medical]'
        ) from error


def numpy_kept() -> str:
    """Return the pip requirement that keeps the installed NumPy."""
    return f'"numpy=={np.__version__}"'
