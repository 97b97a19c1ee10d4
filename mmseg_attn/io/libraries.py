"""Libraries that only some kinds of files need."""

import importlib
from types import ModuleType

import numpy as np

from ..errors import UnsupportedError


def library(name: str, kind: str) -> ModuleType:
    """Import a library of the extra ``medical``.

    Args:
        name: The library.
        kind: The files that need it, for the message.

    Raises:
        UnsupportedError: If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            f'reading {kind} files needs {name}: pip install {name}, or install mmseg_attn[medical]'
        ) from error


def numpy_kept() -> str:
    """Return what keeps pip from replacing the NumPy that is installed."""
    return f'"numpy=={np.__version__}"'
