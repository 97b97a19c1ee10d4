"""MMEngine 0.10.7 asks ``pkg_resources`` and ``pkgutil.find_loader``, which are going away.

setuptools 82 dropped ``pkg_resources``, by which MMEngine finds installed packages (``mmseg::`` in
configs, ``mmengine.hub``). mmseg_attn requires an older setuptools; this is for environments where
a newer one was installed later. Python 3.14 dropped ``pkgutil.find_loader``, by which MMEngine
looks for the compiled mmcv (``paramwise_cfg``, ``MMSegInferencer``). ``importlib`` answers in their
place. Where the old ones exist, and on the onedl fork, which does without them, nothing is changed.
"""

import pkgutil
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmengine.utils import dl_utils, package_utils


def use_importlib() -> None:
    """Replaces those of MMEngine's functions that need what this environment does not have."""
    if find_spec('pkg_resources') is None:
        for new in (is_installed, get_installed_path, package2module):
            _replace(getattr(package_utils, new.__name__), new, needing='pkg_resources')
    if not hasattr(pkgutil, 'find_loader'):
        _replace(dl_utils.mmcv_full_available, mmcv_full_available, needing='find_loader')


def is_installed(package: str) -> bool:
    """Whether there is a distribution or a module of this name."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """The folder of the module that a distribution installs, or of the module of this name.

    Raises:
        ModuleNotFoundError: If there is neither.
    """
    try:
        module = package2module(package)
    except metadata.PackageNotFoundError:
        module = package
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f'{package} is not installed, or has no folder of its own')
    return str(Path(spec.origin).parent)


def package2module(package: str) -> str:
    """The first module that a distribution installs.

    Raises:
        ModuleNotFoundError: If there is no such distribution.
        ValueError: If it does not say what it installs.
    """
    modules = (metadata.distribution(package).read_text('top_level.txt') or '').split()
    if not modules:
        raise ValueError(f'{package} does not say which module it installs')
    return modules[0]


def mmcv_full_available() -> bool:
    """Whether mmcv has its compiled operators."""
    return find_spec('mmcv') is not None and find_spec('mmcv._ext') is not None


def _replace(old: Callable, new: Callable, *, needing: str) -> None:
    """Puts ``new`` wherever ``old`` was imported, if ``old`` still uses what it would need."""
    if needing not in old.__code__.co_names:
        return
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and vars(module).get(old.__name__) is old:
            setattr(module, old.__name__, new)
