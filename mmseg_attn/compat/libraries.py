"""Import optional libraries of parts that only some configs use."""

import importlib
import inspect
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

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


def build_part(
    kind: type, arguments: Mapping[str, Any], *, ours: Mapping[str, Any], fixed: Collection[str]
) -> Any:
    """Build an object of a library with a user's arguments.

    Args:
        kind: The class.
        arguments: Arguments of the user.
        ours: Arguments that we add, as far as the class has them.
        fixed: Names of arguments that the user may not set.

    Raises:
        UsageError: If an argument is not the user's, does not exist, or the class refuses it.
    """
    name = kind.__name__
    parameters = inspect.signature(kind).parameters.values()
    known = {item.name for item in parameters if item.kind is not item.VAR_KEYWORD}
    free = ', '.join(sorted(known - {*fixed}))
    for key in arguments:
        if key in fixed:
            raise UsageError(f'{key} of {name} is set by this package: remove it')
        if key not in known:
            raise UsageError(f'{name} has no argument {key!r}: its arguments are {free}')
    added = {key: value for key, value in ours.items() if key in known}
    try:
        return kind(**arguments, **added)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = ' '.join(str(error).split())
        raise UsageError(f'{name} refuses its arguments ({reason}): correct them') from error
