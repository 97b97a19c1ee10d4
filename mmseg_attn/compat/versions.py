"""Check that the versions of the installed packages fit together, before importing them fails.

MMSegmentation asserts at import that it knows the versions of mmcv and MMEngine; its message about
an mmcv that is too new names only the lowest version. The versions that it accepts are read from
its ``__init__.py``, the installed ones from the ``version.py`` of each package, without importing
anything. The onedl fork of MMSegmentation accepts all versions.
"""

import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

OLDEST = dict(torch='2.0', mmengine='0.8', mmseg='1.1')  # versions that this package supports
NAMES = dict(torch='PyTorch', mmengine='MMEngine', mmseg='MMSegmentation')
DISTRIBUTIONS = dict(
    torch=('torch',),
    mmengine=('mmengine', 'mmengine-lite', 'onedl-mmengine'),
    mmseg=('mmsegmentation', 'onedl-mmsegmentation'),
    mmcv=('mmcv', 'mmcv-lite', 'mmcv-full', 'onedl-mmcv'),
)


def check_versions() -> None:
    """Check the versions of the installed packages against each other's requirements.

    Raises:
        ImportError: If one does not fit; the message names the versions that do.
    """
    for module, oldest in OLDEST.items():
        installed = version_of(module)
        if installed and Version(installed) < Version(oldest):
            raise ImportError(
                f'{NAMES[module]} {installed} is installed, but mmseg_attn needs {oldest} or '
                f'newer: run pip install "{_distribution(module)}>={oldest}"'
            )
    for module, (lowest, beyond) in _accepted_by_mmseg().items():
        installed = version_of(module)
        if installed and not Version(lowest) <= Version(installed) < Version(beyond):
            name = _distribution(module)
            raise ImportError(
                f'{name} {installed} is installed, but MMSegmentation {version_of("mmseg")} needs '
                f'version {lowest} or newer, but older than {beyond}: run pip install '
                f'"{name}>={lowest},<{beyond}"' + _without_compiling(name, lowest, beyond)
            )


def version_of(module: str) -> str:
    """Read the version of an installed package from its files; empty if they do not contain it."""
    match = re.search(r'^__version__[^=\n]*= *[\'"]([^\'"]+)', _text(module, 'version.py'), re.M)
    return match[1] if match else ''


def _accepted_by_mmseg() -> dict[str, tuple[str, str]]:
    """Read the lowest version, and the first that is too new, of the packages it checks."""
    text = _text('mmseg', '__init__.py')
    limits = dict(re.findall(r'^(\w+_(?:MIN|MAX)) *= *[\'"]([^\'"]+)', text, re.M))
    return {
        name.lower(): (limits[f'{name}_MIN'], limits[f'{name}_MAX'])
        for name in ('MMCV', 'MMENGINE')
        if f'{name}_MIN' in limits and f'{name}_MAX' in limits
    }


def _text(module: str, file: str) -> str:
    spec = find_spec(module)
    if spec is None or not spec.origin:
        return ''
    path = Path(spec.origin).with_name(file)
    return path.read_text(encoding='utf-8') if path.is_file() else ''


def _distribution(module: str) -> str:
    """Return the name of the distribution that installs a module."""
    for name in DISTRIBUTIONS[module]:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        return name
    return DISTRIBUTIONS[module][0]


def _without_compiling(name: str, lowest: str, beyond: str) -> str:
    if name != 'mmcv':
        return ''
    return (
        ', or, since mmseg_attn does not need its compiled operators, run pip uninstall mmcv and '
        f'pip install "mmcv-lite>={lowest},<{beyond}"'
    )
