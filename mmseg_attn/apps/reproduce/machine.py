"""What a measurement depends on besides its config."""

import os
import platform
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import torch

from mmseg_attn.version import __version__

PACKAGES = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmseg')


def environment() -> dict[str, str]:
    """Versions and machine, ready to print."""
    distributions = packages_distributions()
    versions = [f'Python {platform.python_version()}', f'mmseg_attn {__version__}']
    for package in PACKAGES:
        name = distributions.get(package, [package])[0]  # the forks have names of their own
        versions.append(f'{name} {import_module(package).__version__}')
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    found = dict(
        versions=', '.join(versions),
        CPU=f'{cpu_model()}, {cores} cores, PyTorch on {torch.get_num_threads()}',
    )
    if torch.cuda.is_available():
        found['GPU'] = f'{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}'
    return found


def cpu_model() -> str:
    """The name of the processor, or its kind where the system does not tell."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()
