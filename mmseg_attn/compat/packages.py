"""Replace ``pkg_resources`` and ``pkgutil.find_loader``, which MMEngine 0.10.7 needs.

setuptools 82 removed ``pkg_resources``, with which MMEngine finds installed packages (``mmseg::``
in configs, ``mmengine.hub``). mmseg_attn requires an older setuptools; this is for environments
where a newer one was installed later. Python 3.14 removed ``pkgutil.find_loader``, with which
MMEngine looks for the compiled mmcv (``paramwise_cfg``, ``MMSegInferencer``). ``importlib`` gives
the same answers. Nothing changes where both exist, nor on the onedl fork, which does not use them.
"""

import pkgutil
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmengine.utils import dl_utils, package_utils


def lacks_pkg_resources() -> bool:
    """Tell whether MMEngine uses ``pkg_resources`` and it is missing."""
    is_used = 'pkg_resources' in package_utils.is_installed.__code__.co_names
    return is_used and find_spec('pkg_resources') is None


def do_without_pkg_resources() -> None:
    """Replace the three functions of MMEngine that use ``pkg_resources``."""
    for new in (is_installed, get_installed_path, package2module):
        _replace(getattr(package_utils, new.__name__), new)


def lacks_find_loader() -> bool:
    """Tell whether MMEngine uses ``pkgutil.find_loader`` and it is missing."""
    is_used = 'find_loader' in dl_utils.mmcv_full_available.__code__.co_names
    return is_used and not hasattr(pkgutil, 'find_loader')


def do_without_find_loader() -> None:
    """Replace the function of MMEngine that uses ``pkgutil.find_loader``."""
    _replace(dl_utils.mmcv_full_available, mmcv_full_available)


def is_installed(package: str) -> bool:
    """Tell whether there is a distribution or a module of this name."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """Return the folder of the module that a distribution installs, or of the module of this name.

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
    """Return the first module that a distribution installs.

    Raises:
        ModuleNotFoundError: If there is no such distribution.
        ValueError: If its metadata does not name its modules.
    """
    modules = (metadata.distribution(package).read_text('top_level.txt') or '').split()
    if not modules:
        raise ValueError(f'{package} does not say which module it installs')
    return modules[0]


def mmcv_full_available() -> bool:
    """Tell whether mmcv has its compiled operators."""
    return find_spec('mmcv') is not None and find_spec('mmcv._ext') is not None


def _replace(old: Callable, new: Callable) -> None:
    """Put ``new`` wherever ``old`` was imported."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and vars(module).get(old.__name__) is old:
            setattr(module, old.__name__, new)
