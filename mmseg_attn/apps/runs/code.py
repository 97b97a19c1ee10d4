"""Tell whether the code that a run has used was changed since, without version control."""

import ast
import hashlib
import importlib
import io
import sys
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

import mmseg.registry
from mmengine.registry import Registry

_PACKAGE = __name__.partition('.')[0]
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_ROOT = Path(sys.modules[_PACKAGE].__file__).parent


def used_files(config: Any) -> dict[str, str]:
    """Return the files of this package that a run can execute, each with a hash of its code.

    These are the files of all registered parts that the config or such a file names, and the files
    that these import.

    Args:
        config: The config as nested dicts and lists.

    Returns:
        Hashes by path below the package; comments, docstrings and blank lines do not count.
    """
    parts = _registered()
    pending = [parts[name] for name in _names(config) if name in parts]
    modules: set[str] = set()
    while pending:
        module = pending.pop()
        if module not in modules:
            modules.add(module)
            pending += _used_by(module)
    files = sorted(_file(module) for module in modules)
    return {file.relative_to(_ROOT).as_posix(): hash_code(_read(file)) for file in files}


def changed_files(files: Mapping[str, str]) -> list[str]:
    """Return the files whose code differs from that of :func:`used_files`, or that are missing."""
    return [
        name
        for name, digest in files.items()
        if not (_ROOT / name).is_file() or hash_code(_read(_ROOT / name)) != digest
    ]


@cache
def hash_code(text: str) -> str:
    """Return a hash of Python code that comments, docstrings and blank lines do not change."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno
            lines[first - 1 : last] = [''] * (last - first + 1)
    code = '\n'.join(line.rstrip() for line in lines if line.strip())
    return hashlib.sha256(code.encode()).hexdigest()[:8]


@cache
def _used_by(module: str) -> list[str]:
    """Return the modules of this package that a module imports or whose parts it names."""
    parts, tree, used = _registered(), ast.parse(_read(_file(module))), []
    package = module if _file(module).name == '__init__.py' else module.rpartition('.')[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = resolve_name('.' * node.level + (node.module or ''), package)
            if source.partition('.')[0] == _PACKAGE:
                used += [_owner(source, alias.name) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.removeprefix('mmseg.')
            used += [parts[name]] if name in parts else []
    return used


def _owner(module: str, name: str) -> str:
    """Return the module of this package that defines what another one offers under a name."""
    offered = importlib.import_module(module)
    if not hasattr(offered, name):
        return f'{module}.{name}'
    value = getattr(offered, name)
    owner = value.__name__ if isinstance(value, ModuleType) else getattr(value, '__module__', '')
    return owner if str(owner).partition('.')[0] == _PACKAGE else module


@cache
def _registered() -> dict[str, str]:
    """Return the modules of all parts that this package registers, by name."""
    registries = [r for r in vars(mmseg.registry).values() if isinstance(r, Registry)]
    return {
        name: part.__module__
        for registry in registries
        for name, part in registry.module_dict.items()
        if part.__module__.partition('.')[0] == _PACKAGE
    }


def _names(config: Any) -> Iterator[str]:
    """Yield the names in a config that may be those of registered parts."""
    if isinstance(config, dict):
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from _names(value)
    elif isinstance(config, str | type):
        name = config if isinstance(config, str) else config.__name__
        yield name.rpartition('.')[2]


def _file(module: str) -> Path:
    return Path(importlib.import_module(module).__file__)


def _read(file: Path) -> str:
    return file.read_text(encoding='utf-8')
