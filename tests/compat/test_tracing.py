import runpy
from types import SimpleNamespace

import pytest
import torch

from mmseg_attn.compat import tracing


def test_nothing_is_traced_here():
    assert not tracing.is_compiling()
    assert not tracing.is_exporting()


def test_compiling_is_noticed():
    def backend(graph, inputs):
        return graph.forward

    def step(x):
        return x + 1 if tracing.is_compiling() else x - 1

    try:
        seen = torch.compile(step, backend=backend)(torch.zeros(1)).item()
    except RuntimeError as error:  # PyTorch 2.0 on Python 3.11
        pytest.skip(f'this PyTorch cannot compile here: {error}')
    assert seen == 1


def test_before_torch_has_a_name_for_it(monkeypatch):
    """PyTorch 2.0 has no ``torch.compiler``, and 2.1 and 2.2 have no ``is_compiling`` in it."""
    names = runpy.run_path(tracing.__file__)
    assert names['is_compiling'] is tracing.is_compiling
    monkeypatch.setattr(torch, 'compiler', SimpleNamespace(), raising=False)
    monkeypatch.setattr(torch._utils, 'is_compiling', lambda: True, raising=False)
    names = runpy.run_path(tracing.__file__)
    assert names['is_compiling']()
    assert not names['is_exporting']()
