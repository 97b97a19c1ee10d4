"""Whether the installed stack fits together, told before importing it fails.

MMSegmentation asserts at import that mmcv and MMEngine are of the versions that it knows, and of an
mmcv that is too new it says only from which version on it works. The versions that it takes are
read off its ``__init__.py``, and the installed ones off the ``version.py`` of each package, without
importing anything. The onedl fork of MMSegmentation takes any.
"""

import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

OLDEST = dict(torch='2.0', mmengine='0.8', mmseg='1.1')  # what this package runs with
NAMES = dict(torch='PyTorch', mmengine='MMEngine', mmseg='MMSegmentation')
DISTRIBUTIONS = dict(
    torch=('torch',),
    mmengine=('mmengine', 'mmengine-lite', 'onedl-mmengine'),
    mmseg=('mmsegmentation', 'onedl-mmsegmentation'),
    mmcv=('mmcv', 'mmcv-lite', 'mmcv-full', 'onedl-mmcv'),
)


def check_versions() -> None:
    """Compare the installed packages with what they need of each other.

    Raises:
        ImportError: If one does not fit, with the versions that do.
    """
    for module, oldest in OLDEST.items():
        installed = version_of(module)
        if installed and Version(installed) < Version(oldest):
            raise ImportError(
                f'{NAMES[module]} {installed} is installed, but mmseg_attn needs {oldest} or '
                f'newer: run pip install "{_distribution(module)}>={oldest}"'
            )
    for module, (lowest, beyond) in _taken_by_mmseg().items():
        installed = version_of(module)
        if installed and not Version(lowest) <= Version(installed) < Version(beyond):
            name = _distribution(module)
            raise ImportError(
                f'{name} {installed} is installed, but MMSegmentation {version_of("mmseg")} works '
                f'with versions from {lowest} to before {beyond} only: run pip install '
                f'"{name}>={lowest},<{beyond}"' + _without_compiling(name, lowest, beyond)
            )


def version_of(module: str) -> str:
    """Read the version of an installed package off its files; empty if it does not say."""
    found = re.search(r'^__version__[^=\n]*= *[\'"]([^\'"]+)', _text(module, 'version.py'), re.M)
    return found[1] if found else ''


def _taken_by_mmseg() -> dict[str, tuple[str, str]]:
    """Lowest version, and the first one that is too new, of what MMSegmentation checks."""
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
    """The name under which a package is installed."""
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
        f', or, as nothing here needs its compiled operators, pip uninstall mmcv and pip install '
        f'"mmcv-lite>={lowest},<{beyond}"'
    )
