"""The onedl forks in one go: import, build every config, train, test, resume, refuse a bad file.

    .venv-onedl/bin/python .ci/smoke_fork.py

Run by an environment with the forks (``pip install ".[onedl]"``); tests this folder's mmseg_attn.
"""

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
SMALL = [
    'default_hooks.logger.interval=1',
    'train_dataloader.dataset.pipeline.2.crop_size=(64,64)',
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
    *(f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val', 'test')),
]


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


def say(text: str) -> None:
    sys.stdout.write(f'fork: {text}\n')
    sys.stdout.flush()


def run(*command: str | Path, data: Path, expect: str = '') -> None:
    """Runs one of the tools as a user would; shows what it wrote only if it went wrong."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *map(str, command)],
        cwd=ROOT,
        env=os.environ | dict(PYTHONPATH=str(ROOT), DROSOPHILA_ROOT=str(data), OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode or expect not in done.stdout:
        sys.exit(f'{done.stdout}\nfork: failed, or did not say "{expect}": {command}')
    say(' '.join(map(str, command[:2])))


def check_import_and_configs() -> None:
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import mmseg_attn  # noqa: F401

    init_default_scope('mmseg')
    configs = sorted(p for p in ROOT.glob('configs/*/*.py') if p.parent.name != '_base_')
    if not configs:
        sys.exit('fork: there are no configs to build')
    for path in configs:
        MODELS.build(Config.fromfile(path).model)
    say(f'built {len(configs)} configs')


def check_tools(folder: Path) -> None:
    data, work = folder / 'drosophila', folder / 'work'
    converters = 'tools/dataset_converters'
    size = ['--slices', '2', '--size', '128']
    run(f'{converters}/synthetic_sstem.py', folder / 'stack', *size, data=data)
    run(
        *(f'{converters}/drosophila.py', folder / 'stack', '--out', data, '--crop-size', '64'),
        data=data,
    )
    train = ['tools/train.py', CONFIG, '--work-dir', work]
    three = ['--cfg-options', *SMALL, 'train_cfg.max_iters=3', 'train_cfg.val_interval=3']
    run(*train, *three, data=data, expect='mIoU')
    test = ['tools/test.py', CONFIG, work / 'iter_3.pth', '--work-dir', work]
    run(*test, '--cfg-options', *SMALL, data=data, expect='mIoU')
    five = ['--cfg-options', *SMALL, 'train_cfg.max_iters=5', 'train_cfg.val_interval=5']
    run(*train, '--resume', *five, data=data, expect='resumed epoch: 0, iter: 3')


def check_hostile_file(folder: Path) -> None:
    from mmengine.runner import CheckpointLoader

    from mmseg_attn.compat.checkpoint import CheckpointError

    file, marker = folder / 'hostile.pth', folder / 'marker'
    torch.save(dict(state_dict=Hostile(marker)), file)
    try:
        CheckpointLoader.load_checkpoint(str(file))
    except CheckpointError as error:
        say(str(error))
    else:
        sys.exit('fork: a hostile checkpoint was loaded')
    if marker.exists():
        sys.exit('fork: a hostile checkpoint ran its code')


if __name__ == '__main__':
    for name in ('onedl-mmsegmentation', 'onedl-mmengine', 'onedl-mmcv', 'torch'):
        say(f'{name} {metadata.version(name)}')
    check_import_and_configs()
    with tempfile.TemporaryDirectory() as name:
        check_tools(Path(name))
        check_hostile_file(Path(name))
