"""Import libraries that only some metrics need."""

import importlib
from types import ModuleType

import numpy as np
import torch

from ...errors import UsageError


def metric_library(module: str, *, package: str, metric: str) -> ModuleType:
    """Import a module of a library that is not installed with this package.

    Args:
        module: The module.
        package: The name of its library for pip.
        metric: The class that needs it.

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
            f'{metric} needs {package}, which cannot be imported ({reason}): run pip install '
            f'{package} "torch=={torch_version}" "numpy=={np.__version__}"'
        ) from error
