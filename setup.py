"""Packaging; the tools' settings are in pyproject.toml."""

import os
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
    'geo',
    'zarr',
    'monai',
    'scikit-image',
    'timm',
    'safetensors',
    'huggingface_hub',
    'bioimageio.spec',
    'onnx',
    'tensorboard',
    'benchmark',
    'tests',
    'docs',
)
SITE = 'https://mmseg-attn.readthedocs.io'
SHIPPED = ('configs', 'tools', 'model-index.yml')  # what `mim` and users of a plain install need


class BuildWithMim(build_py):
    """Ship configs, tools and model index under ``mmseg_attn/.mim``.

    A build copies them. An editable install links to the sources, so that edits count at once, and
    copies them where the system refuses links, as Windows does without its developer mode.
    """

    def run(self) -> None:
        super().run()
        target = ROOT if self.editable_mode else Path(self.build_lib)
        mim = target / 'mmseg_attn' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in SHIPPED:
            if not (self.editable_mode and self.link(ROOT / name, mim / name)):
                copy(ROOT / name, mim / name)

    def link(self, source: Path, target: Path) -> bool:
        """Make a symbolic link, and return whether the system let us."""
        try:
            os.symlink(source, target, target_is_directory=source.is_dir())
        except OSError as error:
            self.warn(f'{target} is a copy ({error}): install again after changing {source.name}')
            return False
        return True


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder without what Python has compiled in it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))
    else:
        shutil.copy(source, target)


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
    author='mmseg_attn contributors',
    url=SITE,
    project_urls={
        'Documentation': SITE,
        'Changelog': f'{SITE}/page/CHANGELOG.html',
        'MMSegmentation': 'https://github.com/open-mmlab/mmsegmentation',
    },
    keywords=[
        'attention',
        'computer vision',
        'deep learning',
        'medical imaging',
        'microscopy',
        'mmsegmentation',
        'openmmlab',
        'pytorch',
        'remote sensing',
        'semantic segmentation',
        'u-net',
    ],
    license='Apache-2.0',
    python_requires='>=3.10',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 14)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['mmseg_attn', 'mmseg_attn.*']),
    package_data={'mmseg_attn': ['py.typed'], 'mmseg_attn.apps.report': ['page.html', 'page.css']},
    install_requires=requirements('runtime'),
    extras_require={name: requirements(name) for name in EXTRAS},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
