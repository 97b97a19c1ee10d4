"""Which parts of the package import which: the registered parts do not import the applications."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / 'mmseg_attn'
REGISTERED = {'datasets', 'engine', 'evaluation', 'models', 'ops', 'visualization'}
SHARED = {'compat', 'config_types', 'errors', 'io', 'version'}


class Import(NamedTuple):
    """An import of one room by another.

    Attributes:
        file: The file with the import, relative to the package.
        room: Its room: a folder or module of the package, or of ``apps``.
        target: The room that is imported.
        private: The private names that the file takes from it.
    """

    file: str
    room: str
    target: str
    private: tuple[str, ...]


def room_of(parts: tuple[str, ...]) -> str:
    """Name the room of a module, given by its path in the package; the package itself is ''."""
    return '/'.join(parts[:2] if parts[:1] == ('apps',) else parts[:1])


def is_private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__')


def imported(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what a statement imports from the package: the path of each, and its local name."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            name, *parts = alias.name.split('.')
            if name == PACKAGE.name:
                yield tuple(parts), alias.asname or alias.name
    elif isinstance(node, ast.ImportFrom):
        parts = tuple(node.module.split('.')) if node.module else ()
        if node.level:
            parts = package[: len(package) - node.level + 1] + parts
        elif parts[0] == PACKAGE.name:
            parts = parts[1:]
        else:
            return
        for alias in node.names:
            yield (*parts, alias.name), alias.asname or alias.name


def imports_of(text: str, file: str) -> Iterator[Import]:
    """Yield the imports of other rooms in a file of the package, wherever in it they stand."""
    module = Path(file).with_suffix('').parts
    tree = ast.parse(text, file)
    room = room_of(module[:-1] if module[-1] == '__init__' else module)
    for node in ast.walk(tree):
        for path, name in imported(node, module[:-1]):
            target = room_of(path)
            if target == room or not room:
                continue
            attributes = [
                attribute.attr
                for attribute in ast.walk(tree)
                if isinstance(attribute, ast.Attribute)
                and ast.unparse(attribute.value) == name
                and is_module(path)
            ]
            yield Import(file, room, target, tuple(filter(is_private, [*path, *attributes])))


def is_module(path: tuple[str, ...]) -> bool:
    return PACKAGE.joinpath(*path).is_dir() or PACKAGE.joinpath(*path).with_suffix('.py').is_file()


def imports() -> list[Import]:
    return [
        found
        for file in sorted(PACKAGE.rglob('*.py'))
        for found in imports_of(file.read_text(), file.relative_to(PACKAGE).as_posix())
    ]


def cycle_of(imports: list[Import]) -> list[str]:
    """Return rooms that import each other in a circle; none if there is no circle."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        graph.setdefault(found.room, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_room_is_known():
    rooms = {found.room for found in imports()} | {found.target for found in imports()}
    assert {room for room in rooms if not room.startswith('apps/')} == REGISTERED | SHARED
    assert len(rooms) > len(REGISTERED | SHARED)


def test_the_registered_parts_import_no_application():
    assert [
        found
        for found in imports()
        if found.room in REGISTERED | SHARED and found.target.startswith('apps')
    ] == []


def test_no_room_imports_private_names_of_another():
    assert [found for found in imports() if found.private] == []


def test_no_rooms_import_each_other_in_a_circle():
    assert cycle_of(imports()) == []


def test_importing_the_package_loads_no_application():
    code = (
        'import sys, mmseg_attn\n'
        "names = [name for name in sys.modules if name.startswith('mmseg_attn')]\n"
        'assert len(names) > 50, names\n'
        "print([name for name in names if name.startswith('mmseg_attn.apps')])"
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '[]'  # the forks print something before


@pytest.mark.parametrize(
    ('file', 'text', 'expected'),
    [
        ('engine/a.py', 'from ..apps.cli import progress', ('engine', 'apps/cli', ())),
        ('engine/a.py', 'def f():\n    from ..apps import cli', ('engine', 'apps/cli', ())),
        ('engine/hooks/a.py', 'from ...apps import cli', ('engine', 'apps/cli', ())),
        ('io/a.py', 'import mmseg_attn.apps.report', ('io', 'apps/report', ())),
        ('io/a.py', 'from mmseg_attn import errors', ('io', 'errors', ())),
        ('apps/check/a.py', 'from ..cli import run_cli', ('apps/check', 'apps/cli', ())),
        ('apps/check/__init__.py', 'from ..cli import run_cli', ('apps/check', 'apps/cli', ())),
        ('engine/a.py', 'from ..io.output import _sync', ('engine', 'io', ('_sync',))),
        ('engine/a.py', 'from ..io import output as o\no._sync', ('engine', 'io', ('_sync',))),
        ('config_types.py', 'from .io import stem', ('config_types', 'io', ())),
    ],
)
def test_imports_are_found(file, text, expected):
    assert [tuple(found[1:]) for found in imports_of(text, file)] == [expected]


@pytest.mark.parametrize(
    ('file', 'text'),
    [
        ('engine/a.py', 'from .b import _c\nimport torch\nfrom torch.io import _d'),
        ('apps/check/a.py', 'from .b import _c'),
        ('__init__.py', 'from . import datasets'),
    ],
)
def test_what_is_no_import_of_another_room(file, text):
    assert list(imports_of(text, file)) == []


def test_a_circle_is_found():
    pairs = [('a', 'b'), ('b', 'c'), ('c', 'a'), ('a', 'd')]
    circle = [Import('', *pair, ()) for pair in pairs]
    assert set(cycle_of(circle)) == {'a', 'b', 'c'}
    assert cycle_of(circle[:2]) == []
