"""``compat.apply`` in fresh interpreters, where nothing is imported yet."""

import os
import re
import subprocess
import sys

import pytest

from mmseg_attn import compat
from tests.processes import HANG

# mmseg_attn without its __init__.py, which imports the whole of MMSegmentation
ALONE = """
import sys, types
package = types.ModuleType('mmseg_attn')
package.__path__ = ['mmseg_attn']
sys.modules['mmseg_attn'] = package
from mmseg_attn import compat
"""


@pytest.fixture
def python(root):
    def python(code: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code],
            cwd=root,
            env=os.environ | dict(PYTHONPATH=str(root)),
            capture_output=True,
            text=True,
            timeout=HANG,
        )

    return python


@pytest.mark.parametrize('name', ['mmseg', 'mmcv', 'mmengine', 'torch'])
def test_a_missing_part_is_named_with_the_command(python, name):
    done = python(f'import sys; sys.modules[{name!r}] = None; import mmseg_attn')
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith(f'ImportError: mmseg_attn needs {name}: run pip install ')
    assert 'pip install torch "mmseg_attn[lite]"' in last
    assert '-e ".[lite]"' in last


def test_applied_before_mmseg_models_and_twice(python):
    done = python(
        ALONE + 'compat.apply()\n'
        'assert "mmseg.models" not in sys.modules and "mmcv.ops" not in sys.modules\n'
        'from mmcv.utils import ext_loader\n'
        'from mmengine.runner import checkpoint\n'
        'from mmengine.utils import package_utils\n'
        'before = ext_loader.load_ext, checkpoint.load_url, package_utils.is_installed\n'
        'compat.apply()\n'
        'assert before == (ext_loader.load_ext, checkpoint.load_url, package_utils.is_installed)\n'
        'import mmseg.models\n'
    )
    assert done.returncode == 0, done.stderr


def test_applied_after_mmcv(python):
    """mmcv.cnn has then found no operators, and keeps to that."""
    done = python('import mmcv.cnn, mmengine.optim, mmseg_attn, mmseg.models, mmseg.apis')
    assert done.returncode == 0, done.stderr


def test_an_mmcv_that_mmseg_refuses_is_named_with_the_versions_that_fit(python):
    """MMSegmentation itself says of an mmcv that is too new: install mmcv>=2.0.0rc4."""
    done = python(
        ALONE + 'from mmseg_attn.compat import versions\n'
        'if not versions._accepted_by_mmseg(): sys.exit("fork")\n'
        'read = versions.version_of\n'
        'versions.version_of = lambda module: "2.2.0" if module == "mmcv" else read(module)\n'
        'compat.apply()\n'
    )
    if done.stderr.strip() == 'fork':
        pytest.skip('the onedl fork takes any mmcv')
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('ImportError: mmcv')
    assert ' 2.2.0 is installed, but MMSegmentation ' in last
    assert re.search(r'but older than 2\.[12]\.0: run pip install', last)


def test_idempotent_here():
    compat.apply()
