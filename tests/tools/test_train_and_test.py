"""The tools as users run them: our two, and MMSegmentation's own with ``custom_imports``."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest

from tests.processes import HANG, run_script

CONFIG = 'configs/lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128.py'
SMALL = [
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.pipeline.2.crop_size=(64,64)',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
    'train_cfg.val_interval=2',
    'default_hooks.logger.interval=1',
]
TOOLS = {'ours': Path('tools'), 'mmseg': Path(mmseg.__file__).parent / '.mim/tools'}


@pytest.fixture
def run(root, pseudo_data):
    def run(tool: Path, *arguments: str, options: list[str] | None = None) -> str:
        arguments = [CONFIG, *arguments, '--cfg-options', *SMALL, *(options or [])]
        if tool.parent == TOOLS['ours']:
            done = run_script(str(tool), *arguments, env=pseudo_data)
        else:  # custom_imports of the config must import the parts: a new interpreter
            done = subprocess.run(
                [sys.executable, '-W', 'ignore', str(tool), *arguments],
                cwd=root,
                env=os.environ | pseudo_data | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
                capture_output=True,
                text=True,
                timeout=HANG,
            )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def scalars(work_dir: Path) -> list[dict]:
    """Everything that training logged, oldest first."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.parametrize('tools', TOOLS)
def test_train_resume_test_and_draw(tools, run, tmp_path):
    folder, work_dir = TOOLS[tools], tmp_path / 'work'
    train = [folder / 'train.py', '--work-dir', str(work_dir)]
    run(*train, options=['train_cfg.max_iters=2'])
    run(*train, '--resume', options=['train_cfg.max_iters=4'])
    steps = [line['iter'] for line in scalars(work_dir) if 'loss' in line]
    assert steps == [1, 2, 3, 4]

    (best,) = work_dir.glob('best_mIoU_iter_*.pth')
    pictures, masks = tmp_path / 'pictures', tmp_path / 'masks'
    out = run(
        folder / 'test.py',
        str(best),
        *['--work-dir', str(work_dir), '--show-dir', str(pictures), '--out', str(masks)],
    )
    assert 'mIoU' in out
    assert 'synapse' in out
    drawn = {path.name for path in pictures.rglob('*.png')}
    assert drawn == {path.name for path in pictures.glob('*.png')}
    assert drawn == {path.name for path in masks.glob('*.png')} != set()


def test_test_time_augmentation_draws_too(run, tmp_path):
    run(Path('tools/train.py'), '--work-dir', str(tmp_path), options=['train_cfg.max_iters=2'])
    (best,) = tmp_path.glob('best_mIoU_iter_*.pth')
    record = tmp_path / Path(CONFIG).name
    trained = record.read_text()
    out = run(
        Path('tools/test.py'),
        *[str(best), '--tta', '--work-dir', str(tmp_path), '--show-dir', str(tmp_path / 'show')],
    )
    assert 'mIoU' in out
    assert list((tmp_path / 'show').rglob('*.png'))
    assert record.read_text() == trained  # MMSegmentation's own tool replaces it by the test's
    assert "type='SegTTAModel'" in max(tmp_path.glob('*/vis_data/config.py')).read_text()


def test_amp(run, tmp_path):
    options = ['train_cfg.max_iters=2']
    run(Path('tools/train.py'), '--amp', '--work-dir', str(tmp_path), options=options)
    losses = [line['loss'] for line in scalars(tmp_path) if 'loss' in line]
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
