"""Compare the host before and after ``import mmseg_attn``, and print every difference as JSON.

python tests/compat/host_before_and_after.py [MODULE]

MODULE is imported instead of mmseg_attn, to try the comparison itself.
"""

import contextlib
import importlib.util
import inspect
import json
import pkgutil
import sys
import warnings
from types import FunctionType, ModuleType
from unittest import mock

warnings.simplefilter('ignore')
PACKAGES = ('mmengine', 'mmcv', 'mmseg')


def import_host() -> None:
    """Import all modules of the host, but those that need what is not installed."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(path, f'{package}.', onerror=lambda name: None):
            if '.mim' not in found.name:
                with contextlib.suppress(Exception, SystemExit):
                    importlib.import_module(found.name)


def host() -> dict[str, object]:
    """Return all functions, classes, methods, modules and registry entries by their names."""
    import torch
    from mmengine.registry import Registry

    found: dict[str, object] = {}
    modules = [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and name.split('.')[0] in PACKAGES
    ]
    for module in [*modules, torch, torch.serialization, torch.nn.functional, torch.nn]:
        for name, value in list(vars(module).items()):
            path = f'{module.__name__}.{name}'
            if callable(value) or isinstance(value, ModuleType):
                found[path] = value
            if inspect.isclass(value) and value.__module__.split('.')[0] in PACKAGES:
                for key, member in vars(value).items():
                    member = getattr(member, '__func__', member)
                    if isinstance(member, FunctionType | property):
                        found[f'{value.__module__}.{value.__qualname__}.{key}'] = member
            if isinstance(value, Registry):
                for key in value.module_dict:
                    found[f'registry {value.scope} {value.name} {key}'] = value.module_dict[key]
    return found


def lookups() -> dict[str, object]:
    """Return what each name of the host stands for where MMSegmentation looks it up."""
    import mmengine.registry
    import mmseg.registry
    from mmengine.registry import Registry

    found = {}
    for name, root in vars(mmengine.registry).items():
        local = vars(mmseg.registry).get(name)
        if isinstance(root, Registry) and isinstance(local, Registry):
            entries = root.module_dict | local.module_dict
            found |= {f'lookup {name} {key}': value for key, value in entries.items()}
    return found


if importlib.util.find_spec('mmcv._ext') is None:
    sys.modules['mmcv.ops'] = mock.MagicMock()  # compiled elsewhere; without it little is imported
import_host()
before = host() | lookups()
importlib.import_module(sys.argv[1] if sys.argv[1:] else 'mmseg_attn')
import_host()  # nothing that is imported later differs either
after = host() | lookups()
changed = [name for name, value in before.items() if after.get(name) is not value]
json.dump(dict(compared=len(before), changed=sorted(changed)), sys.stdout)
