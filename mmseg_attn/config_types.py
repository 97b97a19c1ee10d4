"""Resolve the ``type`` in a config.

A config in text names a class (``'Resize'``), perhaps with a scope (``'mmseg.Resize'``). A pure
Python config has the class itself, and the copy of it that MMEngine writes into the work directory
has its path (``'mmcv.transforms.Resize'``). The registries accept all of them; code
that compares types uses these functions.
"""

from typing import Any

from mmengine.registry import Registry


def class_of(cfg: dict, registry: Registry) -> Any:
    """Find the class or function that a config builds; ``None`` if it is not registered.

    Args:
        cfg: A config with a ``type``.
        registry: The registry that builds it; its default scope must be set.
    """
    kind = cfg.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def is_a(cfg: Any, registry: Registry, *classes: type) -> bool:
    """Tell whether a config builds one of the classes or a subclass.

    Args:
        cfg: A config; any other object builds nothing.
        registry: The registry that builds it.
        classes: The classes to compare with.
    """
    built = class_of(cfg, registry) if isinstance(cfg, dict) else None
    return isinstance(built, type) and issubclass(built, classes)


def type_name(cfg: dict) -> str:
    """Return the name in ``type``, without scope and module; empty if there is no ``type``."""
    kind = cfg.get('type', '')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    return name.rpartition('.')[2]
