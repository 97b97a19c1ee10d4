"""One stack in one go: import, configs, training, test, resume, prediction, export, hostile files.

    .venv-STACK/bin/python .ci/smoke.py STACK

Run it with the Python of an environment that holds the stack; it tests this folder's mmseg_attn.
"""

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STACK = sys.argv[1]
CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
OPTIONS = [
    '--cfg-options',
    'default_hooks.logger.interval=1',
    'train_dataloader.dataset.pipeline.2.crop_size=(64,64)',
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
    *(f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val', 'test')),
]
PACKAGES = ('torch', 'numpy', 'mmsegmentation', 'mmengine', 'mmcv-lite', 'mmcv')


class Hostile:
    """Create a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


def say(text: str) -> None:
    print(f'{STACK}: {text}', flush=True)  # noqa: T201


def run(*command: str | Path, data: Path, expect: str = '', code: int = 0) -> None:
    """Run a tool as a user would; show what it printed only if it went wrong."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *map(str, command)],
        cwd=ROOT,
        env=os.environ | dict(PYTHONPATH=str(ROOT), DROSOPHILA_ROOT=str(data), OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != code or expect not in done.stdout:
        sys.exit(
            f'{done.stdout}\n{STACK}: exit code {done.returncode}, expected {code} and '
            f'"{expect}": {" ".join(map(str, command))}'
        )
    say(' '.join(map(str, command[:2])))


def check_import_and_configs() -> None:
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import mmseg_attn  # noqa: F401

    init_default_scope('mmseg')
    configs = sorted(p for p in ROOT.glob('configs/*/*.py') if p.parent.name != '_base_')
    if not configs:
        sys.exit(f'{STACK}: there are no configs to build')
    models = [Config.fromfile(path).model for path in configs]
    if find_spec('timm') is None:
        models = [model for model in models if model.backbone.type != 'TimmEncoder']
    for model in models:
        MODELS.build(model)
    say(f'built {len(models)} of {len(configs)} configs')


def make_data(folder: Path) -> Path:
    converters, data = 'tools/dataset_converters', folder / 'drosophila'
    size = ['--slices', '2', '--size', '128']
    run(f'{converters}/synthetic_sstem.py', folder / 'stack', *size, data=data)
    crops = ['--out', data, '--crop-size', '64']
    run(f'{converters}/drosophila.py', folder / 'stack', *crops, data=data)
    return data


def train_and_test(tools: str | Path, work: Path, data: Path) -> Path:
    """Train three iterations, test, and resume for two more.

    Args:
        tools: The folder of train.py and test.py: ours, or that of MMSegmentation.
        work: The work directory.
        data: The dataset.
    """
    train = [f'{tools}/train.py', CONFIG, '--work-dir', work]
    length = ['train_cfg.max_iters=3', 'train_cfg.val_interval=3']
    run(*train, *OPTIONS, *length, data=data, expect='mIoU')
    test = [f'{tools}/test.py', CONFIG, work / 'iter_3.pth', '--work-dir', work / 'test']
    run(*test, *OPTIONS, data=data, expect='mIoU')
    length = ['train_cfg.max_iters=5', 'train_cfg.val_interval=5']
    resumed = 'resumed epoch: 0, iter: 3'
    run(*train, '--resume', *OPTIONS, *length, data=data, expect=resumed)
    return work / 'iter_5.pth'


def predict_and_export(checkpoint: Path, data: Path) -> None:
    import torch

    image, out = next((data / 'images').iterdir()), checkpoint.parent
    run('tools/predict.py', CONFIG, checkpoint, image, '--out', out / 'predicted', data=data)
    can_export = hasattr(getattr(torch, 'compiler', None), 'is_exporting')
    expected = dict(expect='labels') if can_export else dict(expect='install 2.7', code=1)
    export = ['tools/export_onnx.py', CONFIG, checkpoint, '--format', 'torch']
    run(*export, '--out', out / 'model.pt2', data=data, **expected)


def check_hostile_files(folder: Path, data: Path) -> None:
    import torch

    marker = folder / 'marker'
    for name in ('new', 'legacy'):
        torch.save(
            dict(state_dict=Hostile(marker)),
            folder / f'{name}.pth',
            _use_new_zipfile_serialization=name == 'new',
        )
    refused = dict(data=data, code=1, expect='was not loaded because it asks for')
    run('tools/test.py', CONFIG, folder / 'new.pth', '--work-dir', folder / 'refused', **refused)
    image = next((data / 'images').iterdir())
    out = ['--out', folder / 'none']
    run('tools/predict.py', CONFIG, folder / 'legacy.pth', image, *out, **refused)
    if marker.exists():
        sys.exit(f'{STACK}: a hostile checkpoint ran its code')


def main() -> None:
    sys.path.insert(0, str(ROOT))
    installed = {each.name: each.version for each in metadata.distributions()}
    names = [name for name in installed if name.removeprefix('onedl-') in PACKAGES]
    say(', '.join(f'{name} {installed[name]}' for name in sorted(names)))
    check_import_and_configs()
    import mmseg

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_data(folder)
        host = Path(mmseg.__file__).parent / '.mim/tools'
        train_and_test(host, folder / 'host', data)
        checkpoint = train_and_test('tools', folder / 'work', data)
        predict_and_export(checkpoint, data)
        check_hostile_files(folder, data)


if __name__ == '__main__':
    main()
