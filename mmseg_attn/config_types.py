"""What ``type`` means in a config.

A config in text names a class (``'Resize'``), perhaps with a scope (``'mmseg.Resize'``). A pure
Python config has the class itself, and the copy of it that MMEngine writes into the work folder has
its path (``'mmcv.transforms.Resize'``). The registries take all of them; whoever compares types
does it with these functions.
"""

from typing import Any

from mmengine.registry import Registry


def class_of(cfg: dict, registry: Registry) -> Any:
    """Find what a config builds: a class or a function; ``None`` if it is not registered.

    Args:
        cfg: A config with a ``type``.
        registry: The registry that builds it; its default scope must be set.
    """
    kind = cfg.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def is_a(cfg: Any, registry: Registry, *classes: type) -> bool:
    """Tell whether a config builds one of the classes or a class made from one.

    Args:
        cfg: A config; whatever is none builds nothing.
        registry: As of :func:`class_of`.
        classes: The classes.
    """
    found = class_of(cfg, registry) if isinstance(cfg, dict) else None
    return isinstance(found, type) and issubclass(found, classes)


def type_name(cfg: dict) -> str:
    """Name what a config builds, without scope and module; empty if it has no ``type``."""
    kind = cfg.get('type', '')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    return name.rpartition('.')[2]
