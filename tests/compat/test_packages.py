"""MMEngine in an environment without ``pkg_resources`` or ``pkgutil.find_loader``."""

import importlib
import pkgutil
import sys
from pathlib import Path

import mmengine.config.config
import mmengine.hub.hub
import mmengine.model.utils
import mmseg
import pytest
from mmengine.config import Config
from mmengine.utils import package_utils

from mmseg_attn.compat import packages

OLD_PACKAGES = 'pkg_resources' in package_utils.is_installed.__code__.co_names
OLD_LOADER = 'find_loader' in mmengine.model.utils.mmcv_full_available.__code__.co_names
DISTRIBUTION = importlib.metadata.packages_distributions()['mmseg'][0]


@pytest.fixture
def restored():
    """Puts back what is replaced."""
    names = ('is_installed', 'get_installed_path', 'package2module', 'mmcv_full_available')
    before = [
        (module, name, vars(module)[name])
        for module in list(sys.modules.values())
        for name in names
        if getattr(module, '__name__', '').startswith('mmengine') and name in vars(module)
    ]
    yield
    for module, name, function in before:
        setattr(module, name, function)


@pytest.mark.usefixtures('restored')
@pytest.mark.skipif(not OLD_PACKAGES, reason='this MMEngine does not ask pkg_resources')
def test_without_pkg_resources(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    child = tmp_path / 'child.py'
    child.write_text("_base_ = 'mmseg::_base_/models/fcn_unet_s5-d16.py'")
    with pytest.raises(ImportError):
        Config.fromfile(child)

    assert packages.lacks_pkg_resources()
    packages.do_without_pkg_resources()
    for module in (mmengine.utils, package_utils, mmengine.config.config):
        assert module.is_installed is packages.is_installed
    assert mmengine.hub.hub.get_installed_path is packages.get_installed_path
    assert Config.fromfile(child).model.backbone.type == 'UNet'


@pytest.mark.usefixtures('restored')
@pytest.mark.skipif(not OLD_LOADER, reason='this MMEngine does not ask find_loader')
def test_without_find_loader(monkeypatch):
    available = mmengine.model.utils.mmcv_full_available()
    monkeypatch.delattr(pkgutil, 'find_loader')
    with pytest.raises(AttributeError):
        mmengine.model.utils.mmcv_full_available()
    assert packages.lacks_find_loader()
    packages.do_without_find_loader()
    assert mmengine.model.utils.mmcv_full_available() is available
    assert mmengine.optim.optimizer.default_constructor.mmcv_full_available() is available


def test_nothing_changes_where_nothing_is_missing(monkeypatch):
    if OLD_PACKAGES:
        pytest.importorskip('pkg_resources')
    else:
        monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    if not OLD_LOADER:
        monkeypatch.delattr(pkgutil, 'find_loader', raising=False)
    assert not packages.lacks_pkg_resources()
    assert not packages.lacks_find_loader()


def test_the_answers():
    folder = str(Path(mmseg.__file__).parent)
    assert packages.is_installed(DISTRIBUTION)
    assert packages.is_installed('mmseg')  # a module
    assert packages.package2module(DISTRIBUTION) == 'mmseg'
    assert packages.get_installed_path(DISTRIBUTION) == folder
    assert packages.get_installed_path('mmseg') == folder


def test_the_answers_for_what_is_not_there():
    assert not packages.is_installed('no_such_package')
    for question in (packages.get_installed_path, packages.package2module):
        with pytest.raises(ModuleNotFoundError, match='no_such_package'):
            question('no_such_package')
