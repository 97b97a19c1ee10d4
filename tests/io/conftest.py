"""Fixtures of the readers' tests."""

import importlib

import pytest


@pytest.fixture
def no_libraries(monkeypatch) -> None:
    """Let the import of every optional library fail."""

    def fail(module):
        raise ImportError(module)

    monkeypatch.setattr(importlib, 'import_module', fail)
