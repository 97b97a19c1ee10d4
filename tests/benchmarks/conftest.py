"""Import a benchmark by its name."""

import importlib
from types import ModuleType

import pytest


@pytest.fixture
def script():
    """Return a function that imports a benchmark by its name."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(f'benchmarks.{name}')

    return load
