"""The site's configuration, where an extra is missing."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import runpy, sys
from importlib.machinery import PathFinder


class WithoutTriton:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split('.')[0] == 'triton' else PathFinder.find_spec(name, path, target)

    find_distributions = PathFinder.find_distributions
    invalidate_caches = PathFinder.invalidate_caches


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutTriton
names = runpy.run_path('docs/conf.py')['autodoc_mock_imports']

from sphinx.ext.autodoc.mock import mock, undecorate

with mock(names):
    from mmseg_attn.ops import window_kernels
print(names, undecorate(window_kernels.forward).__doc__)
"""


def test_kernels_are_documented_without_triton(root):
    pytest.importorskip('sphinx', reason="needs sphinx: pip install 'mmseg_attn[docs]'")
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT],
        cwd=root,
        env=os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(root)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "['triton'] ``softmax(scale * Q K^T) V`` for a block of queries." in done.stdout
