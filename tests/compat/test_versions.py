"""Stacks that do not fit, as packages of a few lines in a folder."""

import os
import subprocess
import sys
from pathlib import Path

import packaging
import pytest

from mmseg_attn.compat.versions import check_versions, version_of

MMSEG = """
import mmcv
MMCV_MIN = '2.0.0rc4'
MMCV_MAX = '2.2.0'
MMENGINE_MIN = '0.5.0'
MMENGINE_MAX = '1.0.0'
raise AssertionError('imported')
"""
FITTING = dict(torch='2.1.2+cu121', mmengine='0.10.7', mmcv='2.1.0', mmseg='1.2.2')
CODE = """
import importlib.util
spec = importlib.util.spec_from_file_location('versions', r'{file}')
versions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(versions)
versions.check_versions()
"""


@pytest.fixture
def check(root, tmp_path):
    """Check a stack of packages that cannot be imported, without importing this package."""

    def check(name: str = 'mmcv', text: str = MMSEG, **versions: str) -> str:
        for module, version in (FITTING | versions).items():
            (tmp_path / module).mkdir()
            content = text if module == 'mmseg' else "raise AssertionError('imported')"
            (tmp_path / module / '__init__.py').write_text(content)
            (tmp_path / module / 'version.py').write_text(f"__version__ = '{version}'\n")
        info = tmp_path / f'{name.replace("-", "_")}-9.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 9\n')
        others = tmp_path / 'others'
        others.mkdir()
        (others / 'packaging').symlink_to(Path(packaging.__file__).parent)
        file = root / 'mmseg_attn/compat/versions.py'
        done = subprocess.run(
            [sys.executable, '-S', '-c', CODE.format(file=file)],
            env=os.environ | dict(PYTHONPATH=f'{tmp_path}{os.pathsep}{others}'),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stderr.strip().splitlines()[-1] if done.returncode else ''

    return check


def test_a_stack_that_fits(check):
    assert check() == ''


def test_an_mmcv_that_is_too_new(check):
    assert check(mmcv='2.2.0') == (
        'ImportError: mmcv 2.2.0 is installed, but MMSegmentation 1.2.2 needs version '
        '2.0.0rc4 or newer, but older than 2.2.0: run pip install "mmcv>=2.0.0rc4,<2.2.0", or, '
        'since mmseg_attn does not need its compiled operators, run pip uninstall mmcv and '
        'pip install "mmcv-lite>=2.0.0rc4,<2.2.0"'
    )


@pytest.mark.parametrize('version', ['1.7.1', '2.0.0rc3', '2.2.0', '2.3'])
def test_mmcv_lite_is_named_as_it_is_installed(check, version):
    message = check('mmcv-lite', mmcv=version)
    assert message.startswith(f'ImportError: mmcv-lite {version} is installed, but')
    assert message.endswith('run pip install "mmcv-lite>=2.0.0rc4,<2.2.0"')


@pytest.mark.parametrize(
    ('module', 'version', 'told'),
    [
        ('torch', '1.13.1+cu117', 'PyTorch 1.13.1+cu117 is installed, but mmseg_attn needs 2.0'),
        ('mmengine', '0.7.4', 'MMEngine 0.7.4 is installed, but mmseg_attn needs 0.8'),
        ('mmengine', '1.0.0', 'mmengine 1.0.0 is installed, but MMSegmentation 1.2.2 needs'),
        ('mmseg', '0.30.0', 'MMSegmentation 0.30.0 is installed, but mmseg_attn needs 1.1'),
    ],
)
def test_the_others(check, module, version, told):
    assert check(**{module: version}).startswith(f'ImportError: {told}')


def test_a_fork_without_limits_takes_any(check):
    assert check(text='', mmcv='2.3.6', mmengine='0.10.12') == ''


def test_the_installed_stack_fits():
    check_versions()
    for module in ('torch', 'mmengine', 'mmcv', 'mmseg'):
        # a package may compute its version, as MMEngine's fork does
        assert version_of(module) in (__import__(module).__version__, '')
