"""Packaging; the tools' settings are in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
EXTRAS = (
    'lite',
    'full',
    'onedl',
    'medical',
    'onnx',
    'tensorboard',
    'benchmark',
    'tests',
    'docs',
)
SHIPPED = ('configs', 'tools', 'model-index.yml')  # what `mim` and users of a plain install need


class BuildWithMim(build_py):
    """Ship configs, tools and model index under ``mmseg_attn/.mim``.

    A build copies them; an editable install links to the sources, so that edits count at once.
    """

    def run(self) -> None:
        super().run()
        target = ROOT if self.editable_mode else Path(self.build_lib)
        mim = target / 'mmseg_attn' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in SHIPPED:
            source = ROOT / name
            if self.editable_mode:
                (mim / name).symlink_to(source, target_is_directory=source.is_dir())
            elif source.is_dir():
                shutil.copytree(source, mim / name, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy(source, mim / name)


def requirements(name: str) -> list[str]:
    """Read a requirements file, following its ``-r`` lines."""
    found = []
    for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines():
        line = line.partition(' #')[0].strip()
        if line.startswith('-r '):
            found += requirements(Path(line[3:]).stem)
        elif line and not line.startswith('#'):
            found.append(line)
    return found


version: dict = {}
exec((ROOT / 'mmseg_attn' / 'version.py').read_text(), version)

setup(
    name='mmseg_attn',
    version=version['__version__'],
    description='Attention U-Nets for MMSegmentation: train, test, compare and reuse them',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    classifiers=[
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 14)),
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mmseg_attn', 'mmseg_attn.*']),
    package_data={'mmseg_attn.apps.report': ['page.html', 'page.css']},
    install_requires=requirements('runtime'),
    extras_require={name: requirements(name) for name in EXTRAS},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
