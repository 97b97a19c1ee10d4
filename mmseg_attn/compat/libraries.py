"""Import optional libraries of parts that only some configs use."""

import importlib
from types import ModuleType

import torch

from ..errors import UsageError
from ..io.libraries import numpy_kept


def optional_library(module: str, *, package: str, part: str) -> ModuleType:
    """Import a module of a library that is not installed with this package.

    Args:
        module: The module.
        package: The name of its library for pip, and of the extra of this package.
        part: The class that needs it.

    Raises:
        UsageError: If the library is missing or does not work with the installed PyTorch and NumPy.
            Its command keeps these two, so that pip chooses a version that fits them.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # a version for a newer PyTorch fails in any way
        torch_version = torch.__version__.partition('+')[0]  # 2.13.0+cpu
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        raise UsageError(
            f'{part} needs {package} (the extra mmseg_attn[{package}]), which cannot be imported '
            f'({reason}): run pip install {package} "torch=={torch_version}" {numpy_kept()}'
        ) from error
