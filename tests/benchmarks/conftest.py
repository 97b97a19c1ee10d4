"""The benchmarks are scripts: their folder is on the path only when they run."""

import importlib
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _on_the_path(root, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(root / 'benchmarks'))


@pytest.fixture
def script():
    """Import a script by its name."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load
