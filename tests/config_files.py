"""The config files of this project, for tests of every one of them."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted(p for p in ROOT.glob('configs/*/*.py') if p.parent.name != '_base_')
_NEEDS_TIMM = [
    path.name for path in ROOT.glob('configs/_base_/encoders/*.py') if 'Timm' in path.read_text()
]
_without_timm = pytest.mark.skipif(
    importlib.util.find_spec('timm') is None, reason='needs timm, which is not installed'
)


def needs_timm(path: Path) -> bool:
    """Tell whether the model of a config is built with timm."""
    text = path.read_text()
    return any(f'_base_/encoders/{name}' in text for name in _NEEDS_TIMM)


# With a reason to skip the configs whose model cannot be built here.
BUILDABLE = [
    pytest.param(path, id=path.name, marks=[_without_timm] if needs_timm(path) else [])
    for path in CONFIGS
]
